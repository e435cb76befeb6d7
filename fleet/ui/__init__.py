"""SHELL. What the operator sees; the only home of rich."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from fleet.ports import Observer


@contextmanager
def observer(stream: TextIO) -> Iterator[Observer]:
    """Show what happens on the stream: a live screen where it can redraw, plain lines elsewhere."""
    from fleet.ui.plain import plain  # noqa: PLC0415 (rich and the model are loaded when something is shown)
    from fleet.ui.streams import can_redraw  # noqa: PLC0415 (likewise)

    if not can_redraw(stream):
        yield plain(stream)
        return
    from fleet.ui.live import live  # noqa: PLC0415 (likewise)
    from fleet.ui.paint import console_of  # noqa: PLC0415 (likewise)

    with live(console_of(stream)) as observe:
        yield observe
