"""What a run came to is kept when it ends; of runs that were stored before fleet did so, when somebody looks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

import typer

from fleet.cli.idiom import speak_as
from fleet.cli.wiring import opened_store
from fleet.errors import FleetError, StoreError

if TYPE_CHECKING:
    from fleet.model.catalogue import Digest, RunEntry
    from fleet.model.record import RunLog
    from fleet.model.trend import Trend
    from fleet.model.verdict import Verdict
    from fleet.ports import Catalogue

PATIENCE = 3.0
"""Seconds of one command that go into runs that nobody has looked at."""


@contextmanager
def opened_catalogue(target: str | None) -> Iterator[Catalogue]:
    """Open what is kept of the runs in the store that the option names."""
    from fleet.store import open_catalogue

    with closing(open_catalogue(target)) as catalogue:
        yield catalogue


def keep(catalogue: Catalogue, log: RunLog, verdict: Verdict) -> Digest:
    """Keep what a finished run came to. A store that cannot be written does not keep anybody from reading."""
    from fleet.analyse.across.digest import digest_of
    from fleet.analyse.across.likeness import circumstances

    speak_as(log.inventory)  # settings in service are kept by name
    digest = digest_of(log, verdict)
    if log.finished:
        with suppress(StoreError):
            catalogue.keep(digest, circumstances(log))
    return digest


def past_of(target: str | None, log: RunLog, verdict: Verdict) -> Trend:
    """The runs of its fleet up to this one, which are like it."""
    from fleet.analyse.across.digest import digest_of
    from fleet.analyse.across.trend import trend_of

    with opened_catalogue(target) as catalogue:
        this = keep(catalogue, log, verdict) if log.finished else digest_of(log, verdict)
        before = [
            one for one in catalogue.digests(log.inventory.name) if (one.created, one.run) < (log.created, log.id)
        ]
        return trend_of([*before, this], catalogue.circumstances)


def looked_at(
    catalogue: Catalogue, target: str | None, *, patience: float = PATIENCE, fleet: str | None = None
) -> tuple[RunEntry, ...]:
    """All runs, with the answers of those that were stored before answers were kept, as far as patience goes.

    `fleet`: only its runs are looked at.
    """
    from fleet.analyse import analyse
    from fleet.ui.screen import working

    entries = catalogue.entries()
    missing = [
        entry.summary.id
        for entry in entries
        if entry.summary.finished and entry.answer is None and fleet in (None, entry.summary.inventory)
    ]
    if not missing:
        return entries
    began, left = time.monotonic(), len(missing)
    with opened_store(target) as store, working(f"finding what {_runs(left)} came to, once …"):
        for run in missing:
            if time.monotonic() - began > patience:
                break
            with suppress(FleetError):  # a damaged run is listed all the same
                log = store.load(run)
                keep(catalogue, log, analyse(log).verdict)
            left -= 1
    if left:
        typer.echo(f"{_runs(left)} not looked at yet; this command looks at some more each time", err=True)
    return catalogue.entries()


def _runs(count: int) -> str:
    return "1 older run" if count == 1 else f"{count} older runs"
