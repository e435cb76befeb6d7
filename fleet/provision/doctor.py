"""The doctor's rounds: every host asked for its facts, then each listens for the others, then links are measured."""

from __future__ import annotations

import inspect
import json
import re
import secrets
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial

from fleet.errors import CommandError, ConnectError, HostError, HostKeyError, LoginError
from fleet.model.checkup import Diagnosis, Listening, Path, Patient, Vitals
from fleet.model.facts import Facts, Failure
from fleet.model.inventory import Host, Inventory, Role
from fleet.model.playbook import Command
from fleet.plan.checkup.doctor import diagnose, ports_to_try
from fleet.plan.checkup.facts import parse_facts, probe_script
from fleet.plan.checkup.vitals import parse_vitals, vital_pieces
from fleet.plan.shell.quoting import tame
from fleet.ports import Channel, Clock, Transport
from fleet.provision.offset import measure_offset
from fleet.remote import linkprobe
from fleet.transport.exchange import exchange
from fleet.transport.fanout import fanout
from fleet.transport.userconfig import way

ASK_SECONDS = 90.0
LISTEN_SECONDS = 20.0
TRY_SECONDS = 3.0
"""Seconds for one connection: a firewall that drops packets is silent."""
CALL_SECONDS = 120.0
TURN_SECONDS = 1.5
"""What each host adds: they measure their ways to the head one after the other."""
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
    checkups = diagnose(tuple(patients.values()), bare=inventory.bento is not None)
    return Diagnosis(inventory=inventory.name, checkups=checkups)


def _failure(host: Host, error: HostError) -> Failure:
    stage = next((name for kind, name in _STAGES if isinstance(error, kind)), "reach")
    return Failure(host=host.name, stage=stage, message=error.message, hint=error.hint)


def _look(transport: Transport, host: Host, clock: Clock) -> Patient:
    def read(stdout: bytes, nonce: str) -> tuple[Facts, Vitals]:
        return parse_facts(host.name, stdout, nonce), parse_vitals(stdout, nonce)

    def write(nonce: str) -> str:
        return probe_script(host, nonce, vital_pieces())

    facts, vitals = exchange(transport, host, write, read, ASK_SECONDS)
    return Patient(
        host=host,
        reached=way(host)[-1],
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
    """The patients with what each heard and reached: by all at once, but for rates, of which the head grants turns."""
    hosts = [patient.host for patient in patients]
    with ExitStack() as stack:
        heard = dict(zip((host.name for host in hosts), fanout(partial(_listen, transport), hosts), strict=True))
        ears = [ear for _, ear in heard.values() if isinstance(ear, _Ear)]
        for ear in ears:
            stack.enter_context(closing(ear.channel))
        called = dict(zip(heard, fanout(partial(_call, transport, ears), hosts), strict=True))
    return tuple(
        _with_paths(replace(patient, listening=_listening(heard[name][1])), called[name][1])
        for name, patient in ((patient.host.name, patient) for patient in patients)
    )


def _listening(ear: _Ear | HostError) -> Listening:
    return ear.listening if isinstance(ear, _Ear) else Listening(problem=ear.message)


def _with_paths(patient: Patient, found: tuple[Path, ...] | HostError) -> Patient:
    """The patient with its ways to the others."""
    if isinstance(found, HostError):
        return replace(patient, path_problem=found.message)
    return replace(patient, paths=found)


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


def _call(transport: Transport, ears: Sequence[_Ear], host: Host) -> tuple[Path, ...]:
    """What the host reaches of the others; its way to the head, by the first port that answers, is measured, too."""
    others = [ear for ear in ears if ear.host != host]
    targets = [
        {
            "host": ear.host.name,
            "address": ear.host.node_address,
            "ports": ear.listening.ports,
            "token": ear.token,
            "measure": ear.host.role is Role.HEAD,
        }
        for ear in others
    ]
    order = json.dumps({"targets": targets, "timeout": TRY_SECONDS})
    timeout = CALL_SECONDS + TURN_SECONDS * len(ears)
    command = Command(argv=_program(host), stdin=order.encode() + b"\n", timeout=timeout)
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
