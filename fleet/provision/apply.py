"""A playbook applied to hosts: ask everything in one round trip, change what differs in a second, look again in it."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from fleet.errors import HostError
from fleet.model.event import StepDone
from fleet.model.inventory import Host
from fleet.model.playbook import Playbook, Step, StepReport
from fleet.plan.program import answers
from fleet.plan.steps import Wheel, compile_changes, compile_questions, prepare
from fleet.plan.steps.outcome import Decision, blocked, came_of, decide, foreseen, wanted
from fleet.ports import Observer, Transport
from fleet.provision.agents import fleet_wheel, variables
from fleet.provision.exchange import exchange
from fleet.transport.fanout import fanout

ASK_SECONDS = 120.0
CHANGE_SECONDS = 1800.0
"""Installing Ray over a slow line takes minutes."""


def apply(
    transport: Transport, playbook: Playbook, hosts: Sequence[Host], observer: Observer, *, dry_run: bool
) -> tuple[StepReport, ...]:
    """The reports of every step on every host, in the order of `hosts`; a failing host never stops another.

    A dry run only asks. ConfigurationError, before any host is touched, for a playbook that does not fit. The observer
    is told of a host's steps as soon as that host is done: from several threads, but by one at a time.
    """
    wheel = fleet_wheel()
    steps = {host.name: prepare(playbook, variables(host, wheel)) for host in hosts}
    turn = threading.Lock()

    def tell(reports: tuple[StepReport, ...]) -> tuple[StepReport, ...]:
        with turn:
            for report in reports:
                observer(StepDone(report=report))
        return reports

    def work(host: Host) -> tuple[StepReport, ...]:
        decisions = _ask(transport, host, steps[host.name], [wheel])
        return tell(foreseen(host.name, decisions) if dry_run else _change(transport, host, decisions))

    reports: list[StepReport] = []
    for host, answer in fanout(work, hosts):
        if isinstance(answer, HostError):
            answer = tell(came_of(host.name, blocked(steps[host.name], answer), {}))  # noqa: PLW2901 (an error becomes what it means)
        reports += answer
    return tuple(reports)


def _ask(transport: Transport, host: Host, steps: Sequence[Step], wheels: Sequence[Wheel]) -> tuple[Decision, ...]:
    return exchange(
        transport,
        host,
        lambda nonce: compile_questions(steps, nonce),
        lambda stdout, nonce: decide(steps, answers(stdout, nonce), wheels),
        ASK_SECONDS,
    )


def _change(transport: Transport, host: Host, decisions: Sequence[Decision]) -> tuple[StepReport, ...]:
    todo = wanted(decisions)
    if not todo:
        return came_of(host.name, decisions, {})
    steps = [decision.step for decision in decisions]
    try:
        done = exchange(transport, host, lambda nonce: compile_changes(steps, todo, nonce), answers, CHANGE_SECONDS)
    except HostError as error:
        return came_of(host.name, decisions, {}, error)
    return came_of(host.name, decisions, done)
