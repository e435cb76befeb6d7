"""The doctor's rounds: every host asked for its facts, then each listens for the others, then links are measured."""

from __future__ import annotations

import inspect
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial

from fleet.errors import CommandError, ConnectError, HostError, HostKeyError, LoginError
from fleet.model.checkup import Diagnosis, Listening, Path, Patient
from fleet.model.facts import Facts, Failure
from fleet.model.inventory import Host, Inventory, Role
from fleet.model.playbook import Command
from fleet.plan.doctor import diagnose, ports_to_try
from fleet.plan.facts import parse_facts, probe_script
from fleet.plan.shell import tame
from fleet.plan.vitals import parse_vitals, vitals_script
from fleet.ports import Channel, Clock, Transport
from fleet.provision.offset import measure_offset
from fleet.remote import linkprobe
from fleet.transport.exchange import exchange
from fleet.transport.fanout import fanout

ASK_SECONDS = 90.0
LISTEN_SECONDS = 20.0
TRY_SECONDS = 3.0
"""Seconds for one connection: a firewall that drops packets is silent."""
CALL_SECONDS = 120.0
_STAGES = ((HostKeyError, "host key"), (LoginError, "login"), (ConnectError, "reach"), (CommandError, "answer"))
_FIND_PYTHON = """\
for python in "$1" python3; do
    command -v "$python" >/dev/null 2>&1 && exec "$python" -I -c "$2"
done
echo "no Python runs there" >&2
exit 127
"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Ear:
    """A host that listens: what for, on which ports, and the channel that keeps it listening."""

    host: Host
    token: str
    listening: Listening
    channel: Channel


def examine(transport: Transport, inventory: Inventory, clock: Clock) -> Diagnosis:
    """Look at every host and at the links between them, in bounded time. What fails is a red check, never an error."""
    patients = {
        host.name: replace(answer, host=host)
        if isinstance(answer, Patient)
        else Patient(host=host, failure=_failure(host, answer))
        for host, answer in fanout(lambda host: _look(transport, host, clock), inventory.hosts)
    }
    healthy = [host for host in inventory.hosts if patients[host.name].failure is None]
    if len(healthy) > 1:
        for patient in _links(transport, [patients[host.name] for host in healthy]):
            patients[patient.host.name] = patient
    return Diagnosis(inventory=inventory.name, checkups=diagnose(tuple(patients.values())))


def _failure(host: Host, error: HostError) -> Failure:
    stage = next((name for kind, name in _STAGES if isinstance(error, kind)), "reach")
    return Failure(host=host.name, stage=stage, message=error.message, hint=error.hint)


def _look(transport: Transport, host: Host, clock: Clock) -> Patient:
    def read(stdout: bytes, nonce: str) -> Facts:
        return parse_facts(host.name, stdout, nonce)

    facts = exchange(transport, host, partial(probe_script, host), read, ASK_SECONDS)
    vitals = exchange(transport, host, vitals_script, parse_vitals, ASK_SECONDS)
    return Patient(
        host=host,
        facts=facts,
        vitals=vitals,
        offset=measure_offset(transport, host, clock),
        sudo_failure=_sudo_failure(transport, host) if host.login.sudo else None,
    )


def _sudo_failure(transport: Transport, host: Host) -> Failure | None:
    """Why a command does not run as root; None where it does."""
    try:
        done = transport.run(host, Command(argv=("id", "-u"), sudo=True, timeout=ASK_SECONDS))
    except LoginError as error:
        return Failure(host=host.name, stage="sudo", message=error.message, hint=error.hint)
    if done.exit_status == 0 and done.stdout.strip() == b"0":
        return None
    said = _brief((done.stdout + b" " + done.stderr).decode("utf-8", "replace"))
    return Failure(host=host.name, stage="sudo", message=f"a command does not run as root: {said}")


def _links(transport: Transport, patients: Sequence[Patient]) -> tuple[Patient, ...]:
    """The patients with what each heard and reached. Ports are tried by all at once, rates measured one by one."""
    hosts = [patient.host for patient in patients]
    with ExitStack() as stack:
        heard = dict(zip((host.name for host in hosts), fanout(partial(_listen, transport), hosts), strict=True))
        ears = [ear for _, ear in heard.values() if isinstance(ear, _Ear)]
        for ear in ears:
            stack.enter_context(closing(ear.channel))
        called = dict(zip(heard, fanout(partial(_reach, transport, ears), hosts), strict=True))
        listening = {name: _listening(ear) for name, (_, ear) in heard.items()}
        return tuple(
            _with_paths(transport, replace(patient, listening=listening[name]), called[name][1], ears)
            for name, patient in ((patient.host.name, patient) for patient in patients)
        )


def _listening(ear: _Ear | HostError) -> Listening:
    return ear.listening if isinstance(ear, _Ear) else Listening(problem=ear.message)


def _with_paths(
    transport: Transport, patient: Patient, found: tuple[Path, ...] | HostError, ears: Sequence[_Ear]
) -> Patient:
    """The patient with its ways to the others, that to the head measured."""
    if isinstance(found, HostError):
        return replace(patient, path_problem=found.message)
    ways = {path.target: path.open[:1] for path in found if path.open}
    heads = {ear: ways[ear.host.name] for ear in ears if ear.host.role is Role.HEAD and ear.host.name in ways}
    try:
        measured = {path.target: path for path in _call(transport, patient.host, heads, rates=True)} if heads else {}
    except HostError as error:
        return replace(patient, paths=found, path_problem=error.message)
    figures = ((path, measured.get(path.target, path)) for path in found)
    paths = tuple(replace(path, rtt=seen.rtt, up=seen.up, down=seen.down) for path, seen in figures)
    return replace(patient, paths=paths)


def _listen(transport: Transport, host: Host) -> _Ear:
    """Make the host listen on a few ports of its range until the channel is closed."""
    token = secrets.token_hex(16)
    order = {"host": host.name, "address": host.node_address, "ports": ports_to_try(host), "token": token}
    channel = transport.open(host, _program(host))
    try:
        channel.send(json.dumps(order))
        answer = channel.receive(LISTEN_SECONDS)
        return _Ear(host=host, token=token, listening=_read_listening(host, answer, channel), channel=channel)
    except BaseException:
        channel.close()
        raise


def _reach(transport: Transport, ears: Sequence[_Ear], host: Host) -> tuple[Path, ...]:
    """What the host reaches of the others."""
    others = {ear: ear.listening.ports for ear in ears if ear.host != host}
    return _call(transport, host, others, rates=False)


def _call(transport: Transport, host: Host, others: Mapping[_Ear, tuple[int, ...]], *, rates: bool) -> tuple[Path, ...]:
    """What came of calling these ports of the others; with `rates` the first that answers is measured too."""
    targets = [
        {
            "host": ear.host.name,
            "address": ear.host.node_address,
            "ports": ports,
            "token": ear.token,
            "measure": rates,
        }
        for ear, ports in others.items()
    ]
    order = json.dumps({"targets": targets, "timeout": TRY_SECONDS})
    command = Command(argv=_program(host), stdin=order.encode() + b"\n", timeout=CALL_SECONDS)
    done = transport.run(host, command)
    paths = tuple(_read_path(host, line) for line in done.stdout.decode("utf-8", "replace").splitlines())
    if done.exit_status != 0 or {path.target for path in paths} != {ear.host.name for ear in others}:
        said = _brief(done.stderr.decode("utf-8", "replace")) or "the link test ended early"
        raise CommandError(said, host=host.name)
    return paths


def _program(host: Host) -> tuple[str, ...]:
    return ("/bin/sh", "-c", _FIND_PYTHON, "sh", host.python, inspect.getsource(linkprobe))


def _read_listening(host: Host, line: str | None, channel: Channel) -> Listening:
    if line is None:
        raise CommandError(_brief(channel.complaints) or "the link test ended at once", host=host.name)
    found = _object(host, line)
    if "problem" in found:
        return Listening(problem=_brief(str(found["problem"])))
    ports, taken = (_ports(host, found.get(key)) for key in ("ports", "taken"))
    return Listening(ports=ports, taken=taken, own=found.get("own") is True)


def _read_path(host: Host, line: str) -> Path:
    found = _object(host, line)
    closed = found.get("closed")
    if not isinstance(closed, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in closed):  # noqa: PLR2004 (a port, and why)
        raise _nonsense(host, line)
    reasons = [_brief(str(why)) for _, why in closed]
    return Path(
        source=host.name,
        target=str(found.get("target")),
        open=_ports(host, found.get("open")),
        closed=tuple(zip(_ports(host, [port for port, _ in closed]), reasons, strict=True)),
        rtt=_figure(found.get("rtt")),
        up=_figure(found.get("up")),
        down=_figure(found.get("down")),
    )


def _object(host: Host, line: str) -> dict[str, object]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _nonsense(host, line)
    return found


def _ports(host: Host, found: object) -> tuple[int, ...]:
    if not isinstance(found, list) or not all(type(port) is int for port in found):
        raise _nonsense(host, str(found))
    return tuple(found)


def _figure(found: object) -> float | None:
    """A rate or a time; None for what is none, infinity and NaN too."""
    return found if isinstance(found, float) and re.fullmatch(r"[0-9.e+-]+", repr(found)) else None


def _nonsense(host: Host, line: str) -> CommandError:
    return CommandError(f"the link test answered nonsense: {_brief(line)}", host=host.name)


def _brief(text: str) -> str:
    return " ".join(tame(text, 200).split())
