"""Lines on a stream that is no terminal: as rich would print them there, without rich."""

from __future__ import annotations

import io

import pytest

from fleet.report.lines import Line, Span, Style, line
from fleet.ui.paint import console_of, put
from fleet.ui.showing import show, width_of

PAGES: tuple[list[Line], ...] = (
    [line("one"), Line(), line(Span("two  ", Style.BAD), Span("× … ✓"))],
    [],
    [Line()],
    [line("a" * 79), line("[bold]no markup[/bold] :smile: 'text' 127.0.0.1")],
)


class _Stream(io.StringIO):
    encoding = "utf-8"


class _Ascii(io.StringIO):
    encoding = "ascii"


# A file gets the same characters whether rich prints them or nobody needs it.
@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("kind", [_Stream, _Ascii])
def test_plain_text_is_what_rich_prints(page: list[Line], kind: type[io.StringIO]) -> None:
    ours, richs = kind(), kind()
    show(page, stream=ours)
    put(page, console_of(richs))

    assert ours.getvalue() == richs.getvalue()


# The width is rich's: COLUMNS first, then the terminal that the program was started in, then 80.
@pytest.mark.parametrize("columns", ["", "123", "wide"])
def test_width_is_what_rich_takes(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)

    assert width_of(_Stream()) == console_of(_Stream()).width


# Who asks for colours in a file gets them.
def test_colours_can_be_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = _Stream()
    show([line(Span("bad", Style.BAD))], stream=stream)

    assert stream.getvalue() == "\x1b[1;31mbad\x1b[0m\n"
