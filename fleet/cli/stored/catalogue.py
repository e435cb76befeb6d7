"""Commands about the kept runs, without any host: runs, tag, note."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from fleet.cli.options import AsJson, RunName, StoreTarget
from fleet.cli.stored.keeping import looked_at, opened_catalogue
from fleet.errors import ConfigurationError
from fleet.model.verdict import Choice
from fleet.units import parse_seconds

if TYPE_CHECKING:
    from fleet.model.catalogue import RunEntry
    from fleet.model.record import RunSummary

app = typer.Typer()


class Ended(StrEnum):
    """How a run ended, if it has, as an option takes it."""

    FINISHED = "finished"
    RUNNING = "running"
    INTERRUPTED = "interrupted"


class Order(StrEnum):
    """What runs are sorted by, as an option takes it."""

    AGE = "age"
    FLEET = "fleet"
    ANSWER = "answer"
    GAIN = "gain"
    TRIALS = "trials"


def _ended(run: RunSummary) -> Ended:
    if run.finished:
        return Ended.FINISHED
    return Ended.RUNNING if run.running else Ended.INTERRUPTED


_KEYS: dict[Order, Callable[[RunEntry], tuple[object, ...]]] = {
    Order.AGE: lambda entry: (-entry.summary.created,),
    Order.FLEET: lambda entry: (entry.summary.inventory,),
    Order.ANSWER: lambda entry: (entry.answer is None, entry.answer and entry.answer.choice.value),
    Order.GAIN: lambda entry: (-entry.answer.gain.value if entry.answer and entry.answer.gain else float("inf"),),
    Order.TRIALS: lambda entry: (-entry.summary.observations,),
}
"""Newest, largest and most first; runs that are alike stay newest first."""


@app.command()
def runs(  # noqa: PLR0913 (each is one option of the command)
    *,
    store: StoreTarget = None,
    fleet: Annotated[str | None, typer.Option("--fleet", metavar="NAME", help="Only runs of this fleet.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only runs begun since: 7d, 12h, or 2026-07-01 (UTC).")
    ] = None,
    choice: Annotated[Choice | None, typer.Option(help="Only runs with this answer.")] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="TAG", help="Only runs with this tag; may be repeated.")
    ] = None,
    outcome: Annotated[Ended | None, typer.Option(help="Only runs that ended so, or are under way.")] = None,
    sort: Annotated[Order, typer.Option(help="What comes first: the newest, largest or most.")] = Order.AGE,
    last: Annotated[int | None, typer.Option("-n", "--last", min=1, help="Show at most so many.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the kept runs, newest first, with their answers, tags and notes.

    Example: fleet runs --fleet lab --since 7d --tag baseline
    """
    from fleet.report.screens.catalogue import entries_json
    from fleet.ui import screen

    begun = 0.0 if since is None else _since(since)
    with opened_catalogue(store) as kept:
        entries = looked_at(kept, store)
    chosen = [
        entry
        for entry in entries
        if (fleet is None or entry.summary.inventory == fleet)
        and entry.summary.created >= begun
        and (choice is None or (entry.answer is not None and entry.answer.choice is choice))
        and set(tag or ()) <= set(entry.tags)
        and outcome in (None, _ended(entry.summary))
    ]
    chosen = sorted(chosen, key=_KEYS[sort])[:last]
    if as_json:
        typer.echo(entries_json(chosen))
    else:
        screen.show_runs(chosen, chosen=bool(entries))


@app.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
def tag(
    run: RunName,
    tags: Annotated[list[str], typer.Argument(metavar="+TAG|-TAG…", help="+TAG (or TAG) gives a tag, -TAG takes it.")],
    *,
    store: StoreTarget = None,
) -> None:
    """Tag a run, so that it can be found and named by a word.

    Example: fleet tag latest +baseline -nightly
    """
    from fleet.ui import screen

    add, remove = _tags(tags)
    with opened_catalogue(store) as kept:
        screen.show_runs([kept.tag(run, add, remove)])


@app.command()
def note(
    run: RunName,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to remember; an empty text takes a note away.")],
    *,
    store: StoreTarget = None,
) -> None:
    """Write a note to a run, in the place of an earlier one.

    Example: fleet note latest "before the new driver"
    """
    from fleet.ui import screen

    if len(text) > _LONGEST:
        raise ConfigurationError(f"a note of {len(text):,} characters: expected at most {_LONGEST:,}")
    with opened_catalogue(store) as kept:
        screen.show_runs([kept.annotate(run, text.strip() or None)])


_LONGEST = 2000


def _tags(words: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which tags to give and which to take. ConfigurationError for one that is no tag."""
    from fleet.model.catalogue import TAG

    add: list[str] = []
    remove: list[str] = []
    for word in words:
        name = word[1:] if word[:1] in ("+", "-") else word
        if not TAG.fullmatch(name) or name == "latest":
            why = "`latest` is always the newest run" if name == "latest" else "letters, digits, dots and dashes"
            raise ConfigurationError(f"{word!r} is no tag: {why}", hint="such as +baseline or -nightly")
        (remove if word.startswith("-") else add).append(name)
    return tuple(add), tuple(remove)


def _since(text: str) -> float:
    """Unix seconds: so long ago, or a date or time (UTC where it names no zone). ConfigurationError."""
    try:
        return time.time() - parse_seconds(text)
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"--since {text}: expected 7d, 12h, or a date such as 2026-07-01") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
