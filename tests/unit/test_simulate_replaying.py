"""What is said while a run is replayed: nothing that a pipe would have to read, and what is missing."""

from __future__ import annotations

import io

import pytest

from fleet.cli.stored import replaying
from fleet.twin import fast
from fleet.ui.screen import working


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_without_numba_it_says_so_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reference replays; one line on standard error tells what is slow about it, none goes to standard output."""
    monkeypatch.setattr(fast, "compiled_engine", lambda: None)
    with replaying.replaying():
        pass
    said = capsys.readouterr()
    assert said.out == ""
    assert "numba is not installed" in said.err
    assert said.err.count("\n") == 1


def test_a_compiled_engine_is_nothing_to_talk_about(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only where it took long is a pipe told."""
    monkeypatch.setattr(fast, "prepare", lambda: True)
    with replaying.replaying():
        pass
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(replaying, "NOTABLE", -1.0)
    with replaying.replaying():
        pass
    assert "made ready in 0 s" in capsys.readouterr().err


def test_a_terminal_sees_what_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The words are there while it lasts; a file gets nothing."""
    monkeypatch.setenv("TERM", "xterm")
    screen, file = Terminal(), io.StringIO()
    for stream in (screen, file):
        with working("replaying", stream=stream):
            pass
    assert "replaying" in screen.getvalue()
    assert file.getvalue() == ""
