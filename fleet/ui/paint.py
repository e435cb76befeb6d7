"""From lines to rich: what each style looks like, and the console of a stream."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from rich.console import Console  # noqa: TID251 (its home)
from rich.text import Text  # noqa: TID251 (its home)

from fleet.report.lines import Line, Style, in_ascii
from fleet.ui.streams import can_show_unicode

_LOOKS = {
    Style.PLAIN: "",
    Style.HEADING: "bold cyan",
    Style.STRONG: "bold",
    Style.GOOD: "bold green",
    Style.WARN: "yellow",
    Style.BAD: "bold red",
    Style.DIM: "dim",
    Style.EMULATED: "bold black on yellow",
}
"""The sixteen colours that every terminal and every theme has."""


def console_of(stream: TextIO, *, width: int | None = None) -> Console:
    """A console that prints what it is given and nothing else: no markup, no highlighting, no emoji."""
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False, soft_wrap=False)


def paint(lines: Iterable[Line], *, unicode: bool = True) -> Text:
    """The lines in colour. They are cut to the screen by whoever made them, never wrapped again."""
    painted = [_painted(found if unicode else in_ascii(found)) for found in lines]
    return Text("\n", no_wrap=True, overflow="crop").join(painted)


def _painted(found: Line) -> Text:
    return Text.assemble(*((span.text, _LOOKS[span.style]) for span in found.spans), no_wrap=True, overflow="crop")


def put(lines: Iterable[Line], console: Console) -> None:
    """Print the lines."""
    console.print(paint(lines, unicode=can_show_unicode(console.file)), crop=False)
