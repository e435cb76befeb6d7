"""`fleet help`: topics from README, commands from themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner  # noqa: TID251 (drives the command line)

from fleet.cli import whole
from fleet.cli.topics import matching, readme_sections
from fleet.errors import ConfigurationError

README = Path(__file__).parents[2] / "README.md"
TITLES = ("Try it, without hardware", "How it decides", "How to read the report", "Words", "The house")


def asked(*words: str) -> str:
    result = CliRunner().invoke(whole(), ["help", *words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_headings_inside_code_blocks_begin_no_section() -> None:
    """What a screen shows is not README's own heading."""
    found = readme_sections("# top\n## One\na\n```text\n## not one\n```\n<!-- hidden -->\nb\n## Two\nc")
    assert found == {"One": "a\n```text\n## not one\n```\nb", "Two": "c"}


@pytest.mark.parametrize(
    ("words", "title"),
    [
        (["words"], ("Words",)),
        (["how", "it", "decides"], ("How it decides",)),
        (["how-it-decides"], ("How it decides",)),
        (["decides"], ("How it decides",)),
        (["HOUSE"], ("The house",)),
        (["hardware"], ("Try it, without hardware",)),
        (["how"], ("How it decides", "How to read the report")),
        (["nothing", "like", "it"], ()),
    ],
)
def test_a_topic_is_found_by_its_name_or_beginning_or_words(words: list[str], title: tuple[str, ...]) -> None:
    assert matching(TITLES, words) == title


def test_every_section_of_readme_can_be_asked_for_by_its_title() -> None:
    """The list of topics is README's, and each one prints its section."""
    listed = asked()
    for title, text in readme_sections(README.read_text(encoding="utf-8")).items():
        assert f"  {title.lower()}" in listed.splitlines()
        assert text in asked(*title.lower().split())


def test_a_commands_name_gives_that_commands_help() -> None:
    assert "Example: fleet bench" in asked("bench")
    assert "ssh://" in asked("worker", "add")


def test_a_word_that_is_neither_is_refused_with_the_topics() -> None:
    with pytest.raises(ConfigurationError, match="no topic, no command and no mention of 'nonsense'") as caught:
        asked("nonsense")
    assert "how it decides" in str(caught.value.hint)


def test_a_text_that_is_neither_is_looked_up_in_every_section() -> None:
    """So that a message can be pasted."""
    found = asked("--", "--resume RUN")
    assert found.startswith("Commands:\n")
    assert "`--resume RUN` goes on" in found


def test_a_message_as_it_was_shown_finds_its_row() -> None:
    """With the host in front, and with what stands where the table has dots; broken over lines by the terminal, too."""
    table = readme_sections(README.read_text(encoding="utf-8"))["When something goes wrong"]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    for row in rows:
        shown = row.split("|")[1].strip().replace("…", "far-1")
        alone = len(shown.split()) == 1
        assert row in asked(shown if alone else f"box: {shown.replace(' ', '  ', 1)}: and more"), row
