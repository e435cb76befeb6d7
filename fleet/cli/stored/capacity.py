"""The capacity command, over a stored run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from fleet.cli.idiom import speak_as
from fleet.cli.options import AsJson, Months, RunName, StoreTarget
from fleet.cli.wiring import opened_store
from fleet.errors import ConfigurationError
from fleet.units import example_rate, format_hertz, kilohertz, parse_deadline, parse_hertz, parse_money

if TYPE_CHECKING:
    from fleet.model.capacity import Goal

app = typer.Typer()


@app.command()
def capacity(
    run: RunName = "latest",
    *,
    target: Annotated[
        str | None, typer.Option(metavar="HZ", help="At least so fast: 5MHz, or 500 in a command's unit.")
    ] = None,
    budget: Annotated[
        str | None, typer.Option(metavar="MONEY", help="As fast as 2000/month, or 9000 once, buys.")
    ] = None,
    deadline: Annotated[str | None, typer.Option(metavar="WORK", help="In time: '10G cycles in 1h'.")] = None,
    months: Months = 24.0,
    store: StoreTarget = None,
    as_json: AsJson = False,
) -> None:
    """Say which layouts of the fleet reach a target, a budget or a deadline, and what a lost host leaves.

    Example: fleet capacity latest --target 5MHz
    """
    from fleet.analyse.decide.capacity import capacity as ask
    from fleet.cli.premises import planning
    from fleet.cli.stored.replaying import replaying
    from fleet.report.screens.capacity import capacity_screen
    from fleet.report.structured.computed import capacity_json
    from fleet.ui.streams import can_show_unicode

    with opened_store(store) as kept:
        log = kept.load(run)
    speak_as(log.inventory)
    goal = _goal(target, budget, deadline, log.inventory.prices.currency)
    with replaying():
        found = ask(log, goal, planning(), months)
    if as_json:
        typer.echo(capacity_json(found))
        return
    from fleet.ui import screen

    screen.show(capacity_screen(found, width=screen.width_of(), ascii_only=not can_show_unicode(sys.stdout)))


def _goal(target: str | None, budget: str | None, deadline: str | None, currency: str) -> Goal:
    """The one goal asked for. ConfigurationError where it is none, several, or cannot be read."""
    given = [option for option in (target, budget, deadline) if option is not None]
    if len(given) != 1:
        raise ConfigurationError(
            "ask for one of --target, --budget and --deadline", hint=f"such as --target {example_rate()}"
        )
    try:
        if target is not None:
            return _target(target)
        return _deadline(deadline) if deadline is not None else _budget(budget or "", currency)
    except ValueError as error:
        option = "--target" if target is not None else "--deadline" if deadline is not None else "--budget"
        raise ConfigurationError(f"{option} {given[0]}: {error}") from None


def _target(text: str) -> Goal:
    from fleet.model.capacity import Goal

    unit = kilohertz()
    number = text.strip().removesuffix(unit).strip()
    hertz = parse_hertz(number) * 1e3 if unit != "kHz" and not number.lower().endswith("hz") else parse_hertz(text)
    if hertz <= 0:
        raise ValueError(f"expected a rate above zero such as {example_rate()}")
    return Goal(text=f"at least {format_hertz(hertz)}", hz=hertz)


def _deadline(text: str) -> Goal:
    from fleet.model.capacity import Goal

    cycles, seconds = parse_deadline(text)
    return Goal(text=f"{text.strip()}: at least {format_hertz(cycles / seconds)}", hz=cycles / seconds)


def _budget(text: str, currency: str) -> Goal:
    from fleet.analyse.foretell.costs import HOURS_PER_MONTH
    from fleet.model.capacity import Goal

    amount, period = parse_money(text)
    if period == "once":
        return Goal(text=f"for {currency} {amount:,.0f} once", once=amount)
    if period == "hour":
        return Goal(text=f"for {currency} {amount:,.2f} an hour", monthly=amount * HOURS_PER_MONTH)
    return Goal(text=f"for {currency} {amount:,.0f} a month", monthly=amount)
