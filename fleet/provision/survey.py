"""What is there: every host asked at once for its facts and its clock; a host that fails is a value, not a crash."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.errors import CommandError, HostError
from fleet.model.facts import ClockOffset, Facts, Failure, Survey
from fleet.model.hostevent import HostFailed
from fleet.model.inventory import Host, Inventory
from fleet.plan.checkup.facts import parse_facts, probe_script
from fleet.ports import Clock, Observer, Transport
from fleet.provision.offset import measure_offset
from fleet.transport.exchange import exchange
from fleet.transport.fanout import fanout

PROBE_SECONDS = 60.0
OLDEST_PYTHON = (3, 11)
"""`requires-python` of fleet itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    facts: Facts
    offset: ClockOffset | None


def survey(transport: Transport, inventory: Inventory, observer: Observer, clock: Clock) -> Survey:
    """Ask every host of the inventory. Missing Ray or fleet is no failure here: provisioning comes next."""
    seen: list[_Seen] = []
    failures: list[Failure] = []
    for host, answer in fanout(lambda host: _look(transport, host, clock), inventory.hosts):
        if isinstance(answer, HostError):
            failures.append(Failure(host=host.name, stage="survey", message=answer.message, hint=answer.hint))
            observer(HostFailed(failure=failures[-1]))
        else:
            seen.append(answer)
    return Survey(
        facts=tuple(one.facts for one in seen),
        offsets=tuple(one.offset for one in seen if one.offset),
        failures=tuple(failures),
    )


def _look(transport: Transport, host: Host, clock: Clock) -> _Seen:
    facts = exchange(
        transport,
        host,
        lambda nonce: probe_script(host, nonce),
        lambda stdout, nonce: parse_facts(host.name, stdout, nonce),
        PROBE_SECONDS,
    )
    oldest = ".".join(map(str, OLDEST_PYTHON))
    cure = f"install Python {oldest} or newer there, or name one as `python:` of the host in the inventory"
    if facts.python is None:
        raise CommandError(f"its Python does not run: {host.python}", host=host.name, hint=cure)
    if _minor(facts.python) < OLDEST_PYTHON:
        raise CommandError(
            f"its Python is too old: {host.python} is {facts.python}, expected {oldest} or newer",
            host=host.name,
            hint=cure,
        )
    return _Seen(facts=facts, offset=measure_offset(transport, host, clock))


def check_versions(survey: Survey, head: str) -> tuple[Failure, ...]:
    """The hosts that cannot be in one cluster with the host named `head`, after provisioning.

    Ray needs one Ray and one Python minor version on all nodes; fleet's own protocol needs one fleet.
    """
    by_host = {facts.host: facts for facts in survey.facts}
    failures = []
    for facts in survey.facts:
        problem = _version_problem(facts, by_host.get(head, facts))
        if problem is not None:
            message, hint = problem
            failures.append(Failure(host=facts.host, stage="versions", message=message, hint=hint))
    return tuple(failures)


def _version_problem(facts: Facts, head: Facts) -> tuple[str, str] | None:
    for name, own, its in (("ray", facts.ray, head.ray), ("fleet", facts.fleet, head.fleet)):
        if own is None:
            return f"its Python has no {name}", f"`fleet provision` installs it, or install {name} there"
        if its is not None and _release(own) != _release(its):
            return (
                f"{name} {own} on {facts.host}, {its} on the head: they must be the same",
                f"install {name} {its} there",
            )
    if facts.python and head.python and _minor(facts.python) != _minor(head.python):
        own, its = (".".join(map(str, _minor(python))) for python in (facts.python, head.python))
        return (
            f"Python {facts.python} on {facts.host}, {head.python} on the head: Ray needs the same minor version",
            f"name a Python {its} as `python:` of {facts.host} in the inventory, or a {own} for the head",
        )
    return None


def _release(version: str) -> str:
    """`0.1.0+5d41402abc4b` → `0.1.0`: what follows says how it came there."""
    return version.partition("+")[0]


def _minor(version: str) -> tuple[int, ...]:
    """`3.11.7` → (3, 11)."""
    return tuple(int(part) for part in version.split(".")[:2])
