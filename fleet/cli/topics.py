"""`fleet help`: README's sections by name, and what each command's own help says."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from fleet.errors import ConfigurationError

app = typer.Typer()


@app.command(name="help")
def help_(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[TOPIC|COMMAND|TEXT]", help="What about; nothing: the topics.")
    ] = None,
) -> None:
    """Say how fleet works: a topic, a command's own help, or every line that mentions a text, such as a message.

    Example: fleet help how it decides
    """
    sections = readme_sections(_readme())
    if not words:
        typer.echo("fleet help TOPIC, where TOPIC is the beginning, or any words, of one of:\n")
        typer.echo("\n".join(f"  {title.lower()}" for title in sections))
        typer.echo("\nor a command: fleet help bench, fleet help worker add")
        return
    found = matching(tuple(sections), words)
    if len(found) == 1:
        from fleet.ui.prose import show_markdown

        show_markdown(f"# {found[0]}\n\n{sections[found[0]]}")
    elif found:
        raise ConfigurationError(f"{' '.join(words)!r} may be: {'; '.join(found).lower()}", hint="say more of it")
    elif not _command_help(words):
        _mentions(words, sections)


def readme_sections(text: str) -> dict[str, str]:
    """The sections below README's second-level headings, by title, in order; what stands in a code block is none."""
    parts: dict[str, list[str]] = {}
    current: list[str] = []
    fenced = False
    for line in text.splitlines():
        fenced ^= line.startswith("```")
        if line.startswith("## ") and not fenced:
            current = parts.setdefault(line.removeprefix("## ").strip(), [])
        elif not (line.startswith("<!--") and line.endswith("-->")):
            current.append(line)
    return {title: "\n".join(lines).strip() for title, lines in parts.items()}


def matching(titles: tuple[str, ...], words: list[str]) -> tuple[str, ...]:
    """The titles that hold all the words; only the one that *is* the words, or begins with them, where one does."""
    asked = _plain(" ".join(words))
    for fits in (
        [title for title in titles if _plain(title) == asked],
        [title for title in titles if _plain(title).startswith(f"{asked} ")],
        [title for title in titles if {*asked.split()} <= {*_plain(title).split()}],
    ):
        if fits:
            return tuple(fits)
    return ()


def _plain(title: str) -> str:
    return re.sub(r"[^a-z0-9 ]", "", title.lower().replace("-", " "))


def _command_help(words: list[str]) -> bool:
    """Print the help of a command, as `--help` after it does; False: there is none of that name."""
    from fleet.cli import whole

    command: object = typer.main.get_command(whole())
    context = typer.Context(command, info_name="fleet")  # type: ignore[arg-type]  # a typer app is a group
    for word in words:
        inner = getattr(command, "commands", {}).get(word)
        if inner is None:
            return False
        context, command = typer.Context(inner, info_name=word, parent=context), inner
    typer.echo(context.get_help())
    return True


def _mentions(words: list[str], sections: dict[str, str]) -> None:
    """Print the lines that hold the words as they stand, or a message in them. ConfigurationError: there are none."""
    asked = " ".join(" ".join(words).lower().split())
    found = {title: [line for line in text.splitlines() if _about(line, asked)] for title, text in sections.items()}
    if not any(found.values()):
        listed = ", ".join(title.lower() for title in sections)
        raise ConfigurationError(
            f"no topic, no command and no mention of {asked!r}", hint=f"topics: {listed}; commands: fleet --help"
        )
    for title, lines in found.items():
        if lines:
            typer.echo("\n".join([f"{title}:", *(f"  {line.strip()}" for line in lines)]))


_FEWEST = 3
"""Words of a message that is looked for in what was asked: shorter ones stand in any sentence."""


def _about(line: str, asked: str) -> bool:
    """Whether a line holds what is asked, or is a table's row on a message in it; `…` stands for any text."""
    message = line.split("|")[1].strip().lower() if line.startswith("|") else ""
    pattern = ".*".join(re.escape(part.strip()) for part in message.split("…"))
    return asked in line.lower() or (len(message.split()) >= _FEWEST and re.search(pattern, asked) is not None)


def _readme() -> str:
    """README as it stands beside the package in a checkout, else as the package was installed with it."""
    beside = Path(__file__).resolve().parents[2] / "README.md"
    if beside.is_file() and beside.with_name("pyproject.toml").is_file():
        return beside.read_text(encoding="utf-8")
    return str(metadata.metadata("fleet").json["description"])
