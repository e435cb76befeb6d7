"""A playbook applied to hosts: ask everything in one round trip, change what differs in a second, look again in it.

Steps that need root where that goes through sudo are a program of their own: a round trip more where a playbook mixes
both. How the changes of a host are made, and not by two at once, is in `changing`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from fleet.errors import HostError
from fleet.model.facts import Facts
from fleet.model.hostevent import Note, StepDone
from fleet.model.inventory import Host
from fleet.model.playbook import Playbook, PythonStep, StepReport, StepState
from fleet.plan.checkup.facts import fact_pieces, parse_facts
from fleet.plan.shell.program import Answer, answers
from fleet.plan.shell.turn import LEFT, left_behind
from fleet.plan.steps import compile_questions, prepare, secretive
from fleet.plan.steps.outcome import Decision, blocked, came_of, complete, decide, foreseen
from fleet.plan.steps.rendering import environment
from fleet.ports import Ledger, Observer, Transport
from fleet.provision.agents import fleet_wheel, variables
from fleet.provision.changing import ASK_SECONDS, Task, change
from fleet.provision.journal import Journal, as_root, masked, new_run
from fleet.provision.sending import Sources
from fleet.provision.tunnels import checked, filled, gathered, split, tunnels
from fleet.provision.turns import tidy
from fleet.provision.variables import Secrets, own_variables
from fleet.transport.exchange import exchange
from fleet.transport.fanout import WORKERS, fanout
from fleet.units import format_count


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a provisioning goes about it. `dry_run`: ask only.

    `inventory` and `ledger`: whose changes these are, and where the controller's copy of the journal is kept.
    `fleet`: all hosts of the inventory, for variables such as `fleet.addresses`; empty = those that it is applied to.
    `run`: what the ids of its changes begin with (`new_run`); empty = one of its own.
    `max_failures`: when more hosts than that have failed, no further one is begun. `at_once`: hosts talked to at once.
    `learn`: is told the facts of each host, which then are asked along with the steps (all but its Python's), from
    several threads.
    """

    dry_run: bool = False
    inventory: str = ""
    run: str = ""
    ledger: Ledger | None = None
    fleet: tuple[Host, ...] = ()
    max_failures: int | None = None
    at_once: int = WORKERS
    learn: Callable[[Facts], None] | None = None


def apply(
    transport: Transport,
    playbook: Playbook,
    hosts: Sequence[Host],
    observer: Observer,
    *,
    dry_run: bool,
    terms: Terms | None = None,
) -> tuple[StepReport, ...]:
    """The reports of every step on every host, in the order of `hosts`; a failing host never stops another.

    A dry run only asks. ConfigurationError, before any host is touched, for a playbook that does not fit. The observer
    is told of a host's steps as soon as that host is done: from several threads, but by one at a time.
    """
    agreed = replace(terms or Terms(), dry_run=dry_run)
    fleet, secrets = agreed.fleet or tuple(hosts), Secrets()
    tasks = _tasks(playbook, hosts, fleet, secrets)
    named = {name: found for name, task in tasks.items() if (found := tunnels(task.steps))}
    if not named:
        return _applied(transport, tasks, observer, agreed)
    checked(playbook.path, [step for found in named.values() for step in found], fleet)
    first, rest = split(playbook)
    before = _applied(transport, _tasks(first, hosts, fleet, secrets), observer, agreed)
    keys = gathered(transport, named, fleet, to_come=dry_run)
    lost = {report.host for report in before if report.state in {StepState.FAILED, StepState.SKIPPED}}
    late = {
        name: replace(task, steps=filled(task.steps, keys))
        for name, task in _tasks(rest, hosts, fleet, secrets).items()
    }
    after = _applied(transport, late, observer, replace(agreed, learn=None), lost)
    reports = (*before, *after)
    return tuple(report for host in hosts for report in reports if report.host == host.name)


def _applied(
    transport: Transport,
    tasks: Mapping[str, Task],
    observer: Observer,
    agreed: Terms,
    lost: Collection[str] = (),
) -> tuple[StepReport, ...]:
    """The reports of every task; `lost`: hosts that failed before and are not begun."""
    turn = threading.Lock()
    failed: set[str] = set()

    def tell(task: Task, found: Sequence[StepReport]) -> tuple[StepReport, ...]:
        reports = tuple(_masked(report, task) for report in found)
        with turn:
            if any(report.state is StepState.FAILED for report in reports):
                failed.add(task.host.name)
            for report in reports:
                observer(StepDone(report=report))
        return reports

    def note(text: str) -> None:
        with turn:
            observer(Note(text=text))

    def work(host: Host) -> tuple[StepReport, ...]:
        task = tasks[host.name]
        with turn:
            enough = agreed.max_failures is not None and len(failed) > agreed.max_failures
        if enough or host.name in lost:
            why = "an earlier step failed" if host.name in lost else f"{format_count(len(failed), 'host')} failed"
            return tell(task, _not_begun(task, why))
        return tell(task, _provision(transport, task, agreed, note))

    reports: list[StepReport] = []
    for _, answer in fanout(work, [task.host for task in tasks.values()], workers=agreed.at_once):
        if isinstance(answer, HostError):
            raise answer
        reports += answer
    return tuple(reports)


def _tasks(playbook: Playbook, hosts: Sequence[Host], fleet: Sequence[Host], secrets: Secrets) -> Mapping[str, Task]:
    # Packing fleet takes longer than asking a host: only a step of this kind can send it.
    wheel = fleet_wheel() if any(isinstance(step, PythonStep) for step in playbook.steps) else None
    sources = Sources(playbook.path)
    tasks = {}
    for host in hosts:
        known = {**own_variables(host, fleet, secrets), **variables(host, wheel)}
        tasks[host.name] = Task(
            host=host,
            playbook=playbook.name,
            steps=sources.attached(prepare(playbook, known), host),
            wheels=(wheel,) if wheel else (),
            sources=sources,
            secrets=environment(known),
        )
    return tasks


def _provision(transport: Transport, task: Task, terms: Terms, note: Callable[[str], None]) -> tuple[StepReport, ...]:
    try:
        decisions = _ask(transport, task, terms)
    except HostError as error:
        return came_of(task.host.name, blocked(task.steps, error), {})
    if terms.dry_run:
        return foreseen(task.host.name, decisions)
    try:
        task.sources.send(transport, task.host, decisions)
    except HostError as error:
        return came_of(task.host.name, decisions, {}, error)
    journal = Journal(inventory=terms.inventory, run=terms.run or new_run(), ledger=terms.ledger)
    return change(transport, task, decisions, journal, note)


def _ask(transport: Transport, task: Task, terms: Terms) -> tuple[Decision, ...]:
    by_root: dict[bool, list[int]] = {}
    for i, step in enumerate(task.steps):
        by_root.setdefault(as_root(task.host, sudo=step.sudo), []).append(i)
    found: dict[str, Answer] = {}
    learn = terms.learn
    for root, chosen in by_root.items():
        found |= (asked := _ask_as(transport, task, chosen, learn, sudo=root))
        learn = None
        if (left := asked.get(LEFT)) and left.status != 0 and not terms.dry_run:
            tidy(transport, task.host, root=root)
    return decide(task.steps, found, task.wheels)


def _ask_as(
    transport: Transport,
    task: Task,
    chosen: Sequence[int],
    learn: Callable[[Facts], None] | None,
    *,
    sudo: bool,
) -> Mapping[str, Answer]:
    along = (left_behind(task.host, root=sudo), *(fact_pieces(task.host) if learn else ()))

    def write(nonce: str) -> str:
        return compile_questions(task.steps, nonce, only=chosen, secrets=task.secrets, along=along)

    def read(stdout: bytes, nonce: str) -> Mapping[str, Answer]:
        if learn:
            # A host that tells nothing of itself can be provisioned all the same.
            with suppress(ValueError):
                learn(parse_facts(task.host.name, stdout, nonce))
        return complete(task.steps, chosen, answers(stdout, nonce))

    return exchange(transport, task.host, write, read, ASK_SECONDS, sudo=sudo)


def _not_begun(task: Task, why: str) -> tuple[StepReport, ...]:
    said = f"not begun: {why}"
    return tuple(
        StepReport(host=task.host.name, step=step.name, state=StepState.SKIPPED, summary=said) for step in task.steps
    )


def _masked(report: StepReport, task: Task) -> StepReport:
    """The report as anybody may see it: no secret, and no diff of a step with one, as what it held is secret, too."""
    if not task.secrets:
        return report
    hidden = any(step.name == report.step and secretive(step, task.secrets) for step in task.steps)
    return replace(
        report,
        summary=masked(report.summary, task.secrets),
        detail=masked(report.detail, task.secrets),
        diff="(not shown: the step holds a secret)" if hidden and report.diff else masked(report.diff, task.secrets),
    )
