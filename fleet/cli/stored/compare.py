"""The compare command: runs of the same fleet under the same load, held against the first of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fleet.cli.idiom import speak_as
from fleet.cli.options import AsJson, StoreTarget, Whole
from fleet.cli.stored.keeping import opened_catalogue
from fleet.cli.wiring import opened_store
from fleet.errors import ConfigurationError, RegressionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fleet.analyse.across.compare import Judged
    from fleet.analyse.stats import Spread
    from fleet.model.catalogue import Digest
    from fleet.model.comparison import Comparison
    from fleet.model.record import RunLog
    from fleet.ports import Store

app = typer.Typer()

FailOn = Annotated[
    str | None,
    typer.Option("--fail-on-regression", metavar="SHARE", help="Exit 7 where a rate fell by more: 5% for certain."),
]
Strict = Annotated[bool, typer.Option("--strict", help="Exit 7 as well where that cannot be told.")]


@app.command()
def compare(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN RUN…", help="The first is what the others are held against.")
    ],
    *,
    store: StoreTarget = None,
    threshold: Annotated[str, typer.Option(metavar="SHARE", help="A smaller difference is none.")] = "2%",
    fail_on: FailOn = None,
    strict: Strict = False,
    whole: Whole = False,
    as_json: AsJson = False,
) -> None:
    """Hold runs of one fleet against the first: rates, times of tasks, verdicts, and what else had changed.

    Example: fleet compare baseline latest --fail-on-regression 5%
    """
    from fleet.analyse.across.compare import Rules
    from fleet.analyse.across.compare import compare as compare_runs

    if len(runs) < 2:  # noqa: PLR2004 (one is held against another)
        raise ConfigurationError("one run alone: expected at least two", hint="fleet compare baseline latest")
    worth, allowed = share("--threshold", threshold), allowed_fall(fail_on, strict=strict)
    with opened_store(store) as kept:
        logs = _loaded(kept, runs)
    speak_as(logs[-1].inventory)
    rules = Rules(worth=worth, allowed=allowed, wander=wander(store, logs[-1]))
    show(compare_runs([judged(log) for log in logs], rules), whole=whole, as_json=as_json, strict=strict)


def show(found: Comparison, *, whole: bool, as_json: bool, strict: bool) -> None:
    """Print a comparison, then raise RegressionError where it shows one that was asked for."""
    from fleet.report.screens.comparison import comparison_lines
    from fleet.report.structured.comparison import comparison_json
    from fleet.ui import screen
    from fleet.ui.streams import can_show_unicode

    if as_json:
        typer.echo(comparison_json(found))
    else:
        import sys

        plain = not can_show_unicode(sys.stdout)
        screen.show(comparison_lines(found, screen.width_of(), whole=whole, ascii_only=plain))
    require(found, strict=strict)


def require(found: Comparison, *, strict: bool) -> None:
    """RegressionError where a rate is shown to have fallen by more than is allowed; `strict`: or may have."""
    from fleet.model.comparison import Gate
    from fleet.report.screens.comparison import under
    from fleet.units import format_share

    if found.allowed is None:
        return
    by_more = f"by more than {format_share(found.allowed)}"
    for contrast in found.contrasts:
        for gate, what in ((Gate.FAILED, f"fell {by_more}"), (Gate.OPEN, f"may have fallen {by_more}")):
            told = [rate for rate in contrast.rates if rate.gate is gate]
            if told and (gate is Gate.FAILED or strict):
                where = "; ".join(under(rate.layout, rate.load, contrast.rates[0].load) for rate in told)
                raise RegressionError(
                    f"{contrast.side.run} against {found.base.run}: {what}: {where}",
                    hint=f"see what has changed: fleet compare {found.base.run} {contrast.side.run}"
                    if gate is Gate.FAILED
                    else "more repeats tell: --repeats",
                )
        if strict and not contrast.rates:
            raise RegressionError(f"{contrast.side.run} and {found.base.run} have no layout in common")


def judged(log: RunLog) -> Judged:
    """A run with its verdict."""
    from fleet.analyse import analyse
    from fleet.analyse.across.compare import Judged

    return Judged(log=log, verdict=analyse(log).verdict)


def share(option: str, text: str) -> float:
    """The share that an option states. ConfigurationError that names the option."""
    from fleet.units import parse_percent

    try:
        return parse_percent(text)
    except ValueError as error:
        raise ConfigurationError(f"{option} {text}: {error}") from None


def allowed_fall(fail_on: str | None, *, strict: bool) -> float | None:
    """What a rate may fall by; None where nobody asked. ConfigurationError for `--strict` alone."""
    if fail_on is None and strict:
        raise ConfigurationError("--strict says how strict --fail-on-regression is", hint="--fail-on-regression 5%")
    return None if fail_on is None else share("--fail-on-regression", fail_on)


def wander(store: str | None, log: RunLog) -> Spread | None:
    """How much runs like this one differ by themselves, by those that are kept; None from too few."""
    from fleet.analyse.across.twosample import wander_of

    with opened_catalogue(store) as catalogue:
        return wander_of(alike(catalogue.digests(log.inventory.name), log))


def alike(digests: Iterable[Digest], log: RunLog) -> tuple[Digest, ...]:
    """The digests of runs that may be compared with this one, oldest first."""
    from fleet.analyse.across.likeness import terms

    wanted = terms(log)
    return tuple(digest for digest in digests if digest.terms == wanted)


def _loaded(store: Store, names: Sequence[str]) -> list[RunLog]:
    logs = [store.load(name) for name in names]
    seen: dict[str, str] = {}
    for name, log in zip(names, logs, strict=True):
        if log.id in seen:
            raise ConfigurationError(f"{seen[log.id]} and {name} are both run {log.id}: nothing to compare")
        seen[log.id] = name
    return logs
