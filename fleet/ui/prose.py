"""Prints Markdown: set for a terminal, as it is written where the output is piped."""

from __future__ import annotations

import sys
from typing import TextIO

from rich.markdown import Markdown  # noqa: TID251 (its home)

from fleet.ui.paint import console_of

WIDEST = 100
"""Cells: longer lines of prose are hard to read."""


def show_markdown(text: str, *, stream: TextIO | None = None) -> None:
    """Print it on the stream (standard output)."""
    stream = stream or sys.stdout
    console = console_of(stream)
    if console.is_terminal:
        console.print(Markdown(text, code_theme="ansi_dark"), width=min(console.width, WIDEST))
    else:
        stream.write(text + "\n")
