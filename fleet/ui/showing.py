"""Lines on a stream: in colour where it can show it, and as they stand where nothing but text is wanted."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TextIO

from fleet.report.lines import Line, in_ascii
from fleet.ui.streams import can_show_unicode

_FORCED = ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
"""Variables by which rich takes a pipe for a terminal."""
_WIDTH = 80


def show(lines: Iterable[Line], *, stream: TextIO | None = None) -> None:
    """Print lines; `stream` None = standard output. NO_COLOR and TERM are obeyed."""
    stream = stream or sys.stdout
    if _is_text(stream):
        unicode = can_show_unicode(stream)
        stream.write("".join(f"{(found if unicode else in_ascii(found)).text}\n" for found in lines) or "\n")
        stream.flush()
        return
    from fleet.ui.paint import console_of, put  # noqa: PLC0415 (rich is loaded where there are colours)

    put(lines, console_of(stream))


def width_of(stream: TextIO | None = None) -> int:
    """Cells across the terminal; COLUMNS or 80 where there is none."""
    stream = stream or sys.stdout
    if _is_text(stream):
        columns = os.environ.get("COLUMNS", "")
        return int(columns) if columns.isdigit() and int(columns) else _terminal_width() or _WIDTH
    from fleet.ui.paint import console_of  # noqa: PLC0415 (likewise)

    return console_of(stream).width


def _is_text(stream: TextIO) -> bool:
    """Whether nothing but text is wanted: a pipe, a file."""
    return not (stream.isatty() or any(os.environ.get(name) for name in _FORCED))


def _terminal_width() -> int:
    """Cells across the terminal that the program was started in; 0 where there is none."""
    for descriptor in (0, 1, 2):
        try:
            return os.get_terminal_size(descriptor).columns
        except OSError:
            continue
    return 0
