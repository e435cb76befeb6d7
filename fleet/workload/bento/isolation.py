"""A head on which nothing but the trial is at work: whoever else is, is stopped with consent, and started again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fleet.errors import ConfigurationError, MeasureError
from fleet.model.bento import ALIVE, Deployment
from fleet.model.inventory import Host
from fleet.plan.bento import changes
from fleet.plan.bento.rivals import Rivals, rivals
from fleet.plan.shell.program import Piece
from fleet.ports import Transport
from fleet.units import format_seconds
from fleet.workload.bento.discover import ask, at_work
from fleet.workload.bento.guard import Guard

_FIRST_LOOK, _LAST_LOOK = 0.2, 15.0
"""Seconds between two looks at whether they have ended: few at first, since most end at once."""
_PATIENT = 2.0
"""Seconds that nobody wonders about."""
_HALF_A_MINUTE = 30.0


def _silence(_: str) -> None:
    """Nobody is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What the operator allows. `isolate`: stop whoever is in the way.

    `patience`: seconds to wait for a broker to finish its orders, None = as long as it takes. `tell`: is told what is
    in the way before anything is stopped, and what is waited for.
    """

    isolate: bool
    patience: float | None = None
    tell: Callable[[str], None] = _silence


def in_the_way(transport: Transport, head: Host, deployment: Deployment) -> Rivals:
    """Who else is at work there by now. Changes nothing."""
    every, uses = at_work(transport, head)
    parts = {service.name: service.part for service in deployment.services}
    return rivals(every, parts, deployment.project, uses, deployment.orders)


@contextmanager
def isolated(guard: Guard, deployment: Deployment, consent: Consent) -> Iterator[Rivals]:
    """Broker, miner and foreign GPU work are stopped for as long as this lasts, then run again: the same containers.

    ConfigurationError without consent, or where something is in the way that nobody could start again; MeasureError
    where one has not ended in time.
    """
    found = in_the_way(guard.transport, guard.host, deployment)
    for line in found.lines:
        consent.tell(f"{guard.host.name}: {line}")
    _refuse(guard, found, consent)
    before = guard.count
    try:
        if found.containers:
            guard.make(changes.stopped(found.containers, found.patience, found.summary))
        if found.units:
            guard.make(changes.stopped_units(found.units, f"stop {', '.join(found.units)}"))
        _await(guard, found, consent)
        yield found
    finally:
        guard.put_back_since(before)


def _refuse(guard: Guard, found: Rivals, consent: Consent) -> None:
    if found.stuck:
        names = ", ".join(f"{use.name} (process {use.pid})" for use in found.stuck)
        hint = "end it, or run it as a container or a unit: these are stopped and started again"
        raise ConfigurationError(f"{names} is on its GPUs", host=guard.host.name, hint=hint)
    if found and not consent.isolate:
        names = ", ".join([*(one.name for one in found.containers), *found.units])
        hint = "--isolate stops what is in the way, and starts it again afterwards"
        raise ConfigurationError(f"{names} would share it with the trial", host=guard.host.name, hint=hint)


def _await(guard: Guard, found: Rivals, consent: Consent) -> None:
    """Wait until all of them have ended: a broker finishes its orders first."""
    ids = [one.id for one in found.containers]
    names = {one.id: one.name for one in found.containers}
    since = time.monotonic()
    limit = found.longest + _HALF_A_MINUTE if consent.patience is None else consent.patience
    pause = _FIRST_LOOK
    while ids:
        answer = ask(guard.transport, guard.host, [Piece(label="states", text=changes.states(ids))]).get("states")
        pairs = [line.split() for line in answer.text.splitlines()] if answer else []
        alive = [names[words[0]] for words in pairs if words[0] in names and words[-1] in ALIVE]
        if not alive:
            return
        waited = time.monotonic() - since
        if waited > limit:
            raise MeasureError(
                f"{', '.join(alive)} has not ended within {format_seconds(limit)}",
                host=guard.host.name,
                hint="it is started again when it has; give it more time, or try when it has no orders",
            )
        if not guard.intact:
            raise MeasureError(guard.why, host=guard.host.name)
        if waited >= _PATIENT:
            consent.tell(
                f"{guard.host.name}: waiting for {', '.join(alive)} to end, for {format_seconds(waited)} by now"
            )
        time.sleep(pause)
        pause = min(pause * 2, _LAST_LOOK)
