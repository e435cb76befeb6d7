"""README against the program: commands, options, exit codes and shipped files, both ways."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer  # noqa: TID251 (asks the command line what it has)

from fleet import errors
from fleet.cli import whole
from fleet.cli.topics import readme_sections

README_AT = Path(__file__).parents[2] / "README.md"
README = README_AT.read_text(encoding="utf-8")
SECTIONS = readme_sections(README)
ROWS = re.findall(r"^\| `fleet ([^`]+)` \| (.*) \|$", SECTIONS["Commands"], re.MULTILINE)


def words_of(row: str) -> list[str]:
    """The commands of a row's first cell: `inventory show|graph INVENTORY` is two."""
    kept = []
    for word in row.replace("\\|", "|").split():
        if not re.fullmatch(r"[a-z][a-z0-9-]*(\|[a-z][a-z0-9-]*)*", word):
            break
        kept.append(word)
    *stem, last = kept
    return [" ".join([*stem, each]) for each in last.split("|")]


def commands() -> dict[str, set[str]]:
    """Every command of the program by its words, with its options."""

    def below(command: object, words: tuple[str, ...]) -> Iterator[tuple[str, set[str]]]:
        for name, inner in getattr(command, "commands", {}).items():
            yield from below(inner, (*words, name))
        if not hasattr(command, "commands"):
            params = getattr(command, "params", [])
            yield " ".join(words), {each for param in params for each in (*param.opts, *param.secondary_opts)}

    return dict(below(typer.main.get_command(whole()), ()))


KNOWN = commands()


def test_every_command_is_in_readmes_table_and_every_row_of_it_is_a_command() -> None:
    """A schema's kinds are no commands."""
    listed = {name for row, _ in ROWS for name in words_of(row)}
    listed = {"schema" if name.startswith("schema ") else name for name in listed}
    also = {
        name
        for text in re.findall(r"Also (.*?)(?:\||$)", SECTIONS["Commands"])
        for name in re.findall(r"`([a-z]+)`", text)
    }
    missing = {name for name in KNOWN if name not in listed and name.split()[-1] not in also}
    assert missing == set()
    assert {name for name in listed if name not in KNOWN} == set()


@pytest.mark.parametrize(("row", "text"), ROWS, ids=[row for row, _ in ROWS])
def test_every_option_of_a_row_is_one_of_its_command(row: str, text: str) -> None:
    """In its first cell or in what is said of it."""
    shown = " ".join([row, *re.findall(r"`([^`]*)`", text)])
    options = set(re.findall(r"(?<![\w-])(--[a-z][a-z0-9-]*|-[a-zA-Z](?![a-zA-Z]))", shown))
    for name in words_of(row):
        allowed = KNOWN["schema" if name.startswith("schema ") else name] | {"--help"}
        assert options <= allowed


def test_every_option_in_the_text_is_an_option_of_some_command() -> None:
    """Screens are left out: they show what others' programs take, too."""
    prose = re.sub(r"```text.*?```", "", README, flags=re.DOTALL)
    known = {option for options in KNOWN.values() for option in options} | {"--version", "--help"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", prose)) - known == set()


def test_the_exit_codes_are_those_of_the_errors() -> None:
    """All of them, and no other."""
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", SECTIONS["Commands"], re.MULTILINE)}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.FleetError)]
    assert told == {0} | {kind.exit_code for kind in kinds}


def test_every_shipped_inventory_and_playbook_is_named() -> None:
    """A newcomer finds them."""
    top = Path(__file__).parents[2]
    for folder in ("inventory", "playbooks"):
        for file in (top / folder).iterdir():
            assert file.name in README


def test_every_message_that_is_explained_is_one_of_fleets() -> None:
    """Its fixed parts stand in the source, so that a message that was reworded is explained under its new words."""
    source = "\n".join(file.read_text(encoding="utf-8") for file in (README_AT.parent / "fleet").rglob("*.py"))
    said = re.sub(r'"\s+f?"', "", source)
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", SECTIONS["When something goes wrong"], re.MULTILINE)[1:]
    assert len(rows) > 10
    for row in rows:
        for part in filter(None, (piece.strip() for piece in row.split("…"))):
            assert part in said or part.lower() in said, part
