"""Every help page: nothing of it is lost on the way to the screen, nothing is wider than that, each has an example."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer  # noqa: TID251 (asks the command line what it has)

from fleet.cli import whole


def pages() -> dict[str, Any]:
    """Every command by its words."""

    def below(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        for name, inner in getattr(command, "commands", {}).items():
            yield from below(inner, (*words, name))
        if not hasattr(command, "commands"):
            yield " ".join(words), command

    return dict(below(WHOLE, ()))


WHOLE = typer.main.get_command(whole())
PAGES = pages()
_MARKUP = re.compile(r"(?<!\\)\[[a-z#/@]")


def shown(*words: str) -> str:
    """What a command line prints."""
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()) as printed:
        WHOLE.main([*words], prog_name="fleet", standalone_mode=False)
    return printed.getvalue()


@pytest.mark.parametrize("name", PAGES)
def test_a_help_page_shows_every_word_of_its_options_and_an_example(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bracket in a help text is markup to who draws the page: what stands in it would be gone."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    page = shown(*name.split(), "--help")
    assert all(len(line) <= 80 for line in page.splitlines())
    words = set(page.replace("│", " ").split())
    for option in PAGES[name].params:
        told = option.help or ""
        assert not _MARKUP.search(told), told
        missing = {word for word in told.split() if len(word) < 20} - words  # a longer one is broken
        assert missing == set(), f"{option.name}: {told}"
    assert f"Example: fleet {name}" in " ".join(page.split())


def test_who_types_nothing_is_told_where_to_begin() -> None:
    """Below the list of commands stands what to type first."""
    page = " ".join(shown("--help").split())
    for words in ("fleet bench inventory/lab.yaml", "fleet init", "fleet doctor", "fleet help"):
        assert words in page
