"""The live screen on a terminal: it draws, survives everything, and gives the cursor back."""

from __future__ import annotations

import io
import threading

import pytest
from hypothesis import given, settings
from report_samples import ANY_REPORT
from rich.cells import cell_len  # noqa: TID251 (what fleet/ui prints with is asked for its opinion)
from rich.console import Console, ConsoleDimensions  # noqa: TID251 (likewise)
from ui_events import EVENTS

from fleet import ui
from fleet.model.event import Note, StageStarted
from fleet.model.verdict import Report
from fleet.report.screens.terminal import screen
from fleet.ui.live import live
from fleet.ui.streams import can_redraw

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


class Terminal(io.StringIO):
    """A stream that says that it is a terminal with Unicode."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal of 80 by 24."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Terminal()


def test_a_run_is_drawn_and_leaves_its_summary_and_the_cursor(terminal: Terminal) -> None:
    with ui.observer(terminal) as observe:
        for event in EVENTS:
            observe(event)
    written = terminal.getvalue()
    assert HIDE in written
    assert written.rindex(SHOW) > written.rindex(HIDE)
    assert "✓" in written
    assert "going on without far2" in written
    assert "\x1b[2J" not in written, "what a host said has cleared the screen"
    assert "pwned" not in written


def test_the_cursor_comes_back_when_the_run_crashes(terminal: Terminal) -> None:
    def crash() -> None:
        with ui.observer(terminal) as observe:
            observe(StageStarted(stage="measure"))
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        crash()
    written = terminal.getvalue()
    assert written.rindex(SHOW) > written.rindex(HIDE)
    assert "✗" in written.rsplit(SHOW, 1)[1]


def test_the_cursor_comes_back_after_ctrl_c(terminal: Terminal) -> None:
    with pytest.raises(KeyboardInterrupt), ui.observer(terminal):
        raise KeyboardInterrupt
    written = terminal.getvalue()
    assert written.rindex(SHOW) > written.rindex(HIDE)


def test_events_may_come_from_several_threads(terminal: Terminal) -> None:
    with ui.observer(terminal) as observe:
        threads = [threading.Thread(target=lambda: [observe(event) for event in EVENTS * 20]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert SHOW in terminal.getvalue()


def test_a_resized_terminal_gets_a_fresh_page(terminal: Terminal) -> None:
    console = Console(file=terminal, force_terminal=True, width=120, height=40)
    with live(console) as observe:
        observe(Note(text="before"))
        console.size = ConsoleDimensions(80, 24)
    assert "\n" * 24 + "\x1b[H\x1b[2J" in terminal.getvalue()


@pytest.mark.parametrize("name", ["dumb", "unknown", ""])
def test_a_terminal_that_cannot_redraw_gets_plain_lines(
    name: str, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", name)
    assert not can_redraw(terminal)
    with ui.observer(terminal) as observe:
        observe(Note(text="hello"))
    assert terminal.getvalue() == "00:00  hello\n"


def test_no_color_is_obeyed(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    with ui.observer(terminal) as observe:
        for event in EVENTS:
            observe(event)
    assert not any(f"\x1b[{code}" in terminal.getvalue() for code in ("31m", "32m", "33m", "1;31m", "1;32m"))


@settings(max_examples=40, deadline=None)
@given(ANY_REPORT)
def test_rich_agrees_on_the_width_of_every_line(report: Report) -> None:
    """Two tables of character widths, ours for the layout and rich's for the screen, tell one story."""
    for found in screen(report, width=80):
        assert cell_len(found.text) <= 80
