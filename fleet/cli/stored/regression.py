"""A run that has just ended is held against an earlier one, as `fleet compare` does, for those who run it in CI."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from fleet.cli.stored.compare import alike, allowed_fall, judged, require, show
from fleet.cli.stored.keeping import keep, opened_catalogue
from fleet.cli.wiring import opened_store
from fleet.errors import RegressionError, StoreError

if TYPE_CHECKING:
    from fleet.model.record import RunLog
    from fleet.model.verdict import Report
    from fleet.ports import Store

Against = Annotated[
    str | None,
    typer.Option(metavar="RUN|TAG", help="Hold it against this run (the latest like it)."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of a run that is about to be made. `base`: what it is held against, None = the latest like it."""

    base: str | None
    allowed: float | None
    strict: bool


def asked(store: Store, against: str | None, fail_on: str | None, *, strict: bool) -> Question | None:
    """What the options ask, checked before anything is measured; None = nothing. ConfigurationError, StoreError."""
    allowed = allowed_fall(fail_on, strict=strict)
    if against is None and allowed is None:
        return None
    base = None if against is None else store.load(against).id  # a tag may move, and the run may be tagged meanwhile
    return Question(base=base, allowed=allowed, strict=strict)


def remember(store: Store, target: str | None, report: Report) -> None:
    """Keep what a run came to, if it is finished; a store that fails has been told of already."""
    with suppress(StoreError), opened_catalogue(target) as catalogue:
        keep(catalogue, store.load(report.run), report.analysis.verdict)


def answer(question: Question, target: str | None, run: str, *, as_json: bool) -> None:
    """Show the run against its base, unless JSON is all that may be shown; then RegressionError where it shows one."""
    from fleet.analyse.across.compare import Rules, compare
    from fleet.analyse.across.twosample import wander_of

    with opened_store(target) as store, opened_catalogue(target) as catalogue:
        log = store.load(run)
        digests = catalogue.digests(log.inventory.name)
        kin = alike(digests, log)
        earlier = [digest.run for digest in kin if digest.run != run and digest.created <= log.created]
        base = question.base or next(reversed(earlier), None)
        before = None if base is None else store.load(base)
    if before is None:
        _alone(log, strict=question.strict)
        return
    found = compare([judged(before), judged(log)], Rules(allowed=question.allowed, wander=wander_of(kin)))
    if as_json:
        require(found, strict=question.strict)
    else:
        typer.echo()
        show(found, whole=False, as_json=False, strict=question.strict)


def _alone(log: RunLog, *, strict: bool) -> None:
    text = f"no earlier run of {log.inventory.name} is like {log.id}: there is nothing to hold it against"
    if strict:
        raise RegressionError(text, hint="leave out --strict for the first one")
    typer.echo(text, err=True)
