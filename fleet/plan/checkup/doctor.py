"""PURE. What the doctor's findings mean: a table of judges, each of which says a few checks about one host.

Thresholds say where they come from. Nothing that works is red: red means that the fleet would not run, or lie.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from fleet.model.checkup import Check, Checkup, Light, Path, Patient, Sudo, Vitals
from fleet.model.facts import Facts
from fleet.model.inventory import Host, Role
from fleet.plan.checkup.gpucheck import gpu_checks
from fleet.plan.checkup.interpreter import base_python, venv_of
from fleet.units import format_bytes, format_seconds

OLDEST_PYTHON = (3, 11)
"""`requires-python` of fleet itself."""
DISK_NEEDED, DISK_WISHED = 3 * 2**30, 10 * 2**30
"""Bytes: a venv with Ray takes 1.1 GiB, its wheels as much again while they are installed; logs and spools grow."""
MEMORY_NEEDED, MEMORY_WISHED = 2**30, 4 * 2**30
"""Bytes: a Ray node with its processes takes about 0.7 GiB before any agent does."""
SHARED_WISHED = 256 * 2**20
"""Bytes: the object store's 200 MiB and some; with less Ray puts it on a disk, which is slow."""
CLOCK_WISHED, CLOCK_NEEDED = 1.0, 60.0
"""Seconds of offset: fleet corrects it, but logs of hosts cannot be compared; certificates fail after minutes."""
RTT_WISHED = 0.010
"""Seconds: at five sequential trips a task, 10 ms cost about 4 % of a 3 s prove (decision.md, remote efficiency)."""
BANDWIDTH_WISHED, BANDWIDTH_NEEDED = 12.5e6, 1e6
"""Bytes a second: segments are 5 to 10 MB and a GPU asks for one every few seconds."""
PORTS_TRIED = 8
"""Ports of a range that are tried; firewalls open ranges, so a part of one shows at its ends or between."""
_LISTED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A host that answered, beside the head as it was found (None = the head did not answer)."""

    host: Host
    facts: Facts
    vitals: Vitals
    patient: Patient
    head: Facts | None


_Judge = Callable[[Case], Iterator[Check]]


def ports_to_try(host: Host) -> tuple[int, ...]:
    """Ports spread over the host's range, its ends among them."""
    first, last = host.ports.first, host.ports.last
    steps = min(PORTS_TRIED, last - first + 1)
    return tuple(dict.fromkeys(first + round(n * (last - first) / max(1, steps - 1)) for n in range(steps)))


def diagnose(patients: Sequence[Patient], *, bare: bool = False) -> tuple[Checkup, ...]:
    """The checks of every host, in the order of `patients`. `bare`: nothing of fleet's is to be installed there."""
    head = next((one.facts for one in patients if one.host.role is Role.HEAD), None)
    judges = tuple(judge for judge in _JUDGES if not (bare and judge is _versions))
    return tuple(Checkup(host=one.host.name, checks=tuple(_checks(one, head, judges))) for one in patients)


def _checks(patient: Patient, head: Facts | None, judges: Sequence[_Judge]) -> Iterator[Check]:
    if patient.failure is not None or patient.facts is None or patient.vitals is None:
        yield _failed(patient)
        return
    case = Case(host=patient.host, facts=patient.facts, vitals=patient.vitals, patient=patient, head=head)
    for judge in judges:
        yield from judge(case)


def _failed(patient: Patient) -> Check:
    failure = patient.failure
    if failure is None:
        return Check(name="reach", light=Light.RED, seen="it was not examined", cure="run the doctor again")
    cure = failure.hint or "does `ssh` itself work, as the same user?"
    return Check(name=failure.stage, light=Light.RED, seen=failure.message, cure=cure)


def _reach(case: Case) -> Iterator[Check]:
    yield _green("reach", f"{case.patient.reached}, {case.facts.system} {case.facts.kernel}")
    yield _green("host key", "pinned, and the host has it")


def _sudo(case: Case) -> Iterator[Check]:
    """Tried as the inventory states it; else only looked at."""
    failure = case.patient.sudo_failure
    if failure is not None:
        otherwise = "correct `sudo` and `sudo_password_command` in the inventory"
        yield Check(name="sudo", light=Light.RED, seen=failure.message, cure=failure.hint or otherwise)
        return
    if case.host.login.sudo:
        yield _green("sudo", "lets us, as the inventory states")
        return
    light, seen, cure = {
        Sudo.ROOT: (Light.GREEN, "the user is root", None),
        Sudo.FREE: (Light.GREEN, "without a password", None),
        Sudo.LOCKED: (Light.AMBER, "wants a password, or refuses the user", "for what needs root, state `sudo: true`"),
        Sudo.MISSING: (Light.AMBER, "is not installed", "only what needs root misses it"),
    }[case.vitals.sudo]
    yield Check(name="sudo", light=light, seen=seen, cure=cure)


def _python(case: Case) -> Iterator[Check]:
    own, wanted = case.facts.python, ".".join(map(str, OLDEST_PYTHON))
    head = case.head.python if case.head else None
    cure = f"install Python {wanted} or newer there, or name one as `python:` of {case.host.name} in the inventory"
    if own is None:
        yield Check(name="Python", light=Light.RED, seen=f"does not run: {case.host.python}", cure=cure)
    elif _minor(own) < OLDEST_PYTHON:
        yield Check(name="Python", light=Light.RED, seen=f"{own} is too old", cure=cure)
    elif head and _minor(own) != _minor(head):
        seen = f"{own}, and {head} on the head: Ray needs the same minor version"
        cure = f"name a Python {'.'.join(map(str, _minor(head)))} as `python:` of {case.host.name} in the inventory"
        yield Check(name="Python", light=Light.RED, seen=seen, cure=cure)
    else:
        yield _green("Python", own)


def _versions(case: Case) -> Iterator[Check]:
    head = case.head or case.facts
    ours = base_python(case.host.python, venv_of(case.host)) is not None
    for name, own, its in (("Ray", case.facts.ray, head.ray), ("fleet", case.facts.fleet, head.fleet)):
        if own is not None and (its is None or _release(own) == _release(its)):
            yield _green(name, own)
            continue
        seen = "not installed" if own is None else f"{own}, and {its} on the head: they must be the same"
        install = " ".join(f"install {name.lower()} {its or ''} there".split())
        instead = f"or write `python: {venv_of(case.host)}/bin/python` for it: then `fleet provision` does"
        yield Check(
            name=name,
            # What fleet makes itself, `fleet provision` puts right; an interpreter of the operator's it leaves alone.
            light=Light.AMBER if ours else Light.RED,
            seen=seen,
            cure="`fleet provision` installs it" if ours else f"{install}, {instead}",
        )


def _room(case: Case) -> Iterator[Check]:
    disk, memory, shared = case.facts.disk_free, case.vitals.memory_available, case.vitals.shared_memory
    yield _amount(
        "disk", disk, DISK_NEEDED, DISK_WISHED, f"make room where {case.host.work_dir} lies, or state `work_dir`"
    )
    total = f" of {format_bytes(case.facts.memory)}"
    yield _amount("memory", memory, MEMORY_NEEDED, MEMORY_WISHED, "end what uses it", total)
    cure = "mount -o remount,size=1G /dev/shm (in Docker: --shm-size 1g); until then Ray uses a disk"
    yield _amount("shared memory", shared, 0, SHARED_WISHED, cure)


def _amount(name: str, free: int | None, needed: int, wished: int, cure: str, suffix: str = "") -> Check:
    if free is None:
        return Check(name=name, light=Light.AMBER, seen="the host does not tell", cure=cure)
    light = Light.RED if free < needed else Light.AMBER if free < wished else Light.GREEN
    seen = f"{format_bytes(free)} free{suffix}"
    return Check(name=name, light=light, seen=seen, cure=None if light is Light.GREEN else cure)


def _clock(case: Case) -> Iterator[Check]:
    offset = case.patient.offset
    cure = "run a time service there, such as chrony"
    if offset is None:
        yield Check(name="clock", light=Light.AMBER, seen="the host tells no time", cure=cure)
        return
    away = abs(offset.offset) - offset.error
    light = Light.RED if away > CLOCK_NEEDED else Light.AMBER if away > CLOCK_WISHED else Light.GREEN
    seen = f"{offset.offset * 1e3:+,.0f} ± {offset.error * 1e3:,.0f} ms"
    yield Check(name="clock", light=light, seen=seen, cure=None if light is Light.GREEN else cure)


def _gpus(case: Case) -> Iterator[Check]:
    yield from gpu_checks(case.host, case.vitals)


def _docker(case: Case) -> Iterator[Check]:
    docker = case.vitals.docker
    unneeded = "only workloads in containers need it"
    if docker is None:
        yield Check(name="docker", light=Light.AMBER, seen="not installed", cure=unneeded)
        return
    if docker.engine is None:
        yield Check(name="docker", light=Light.AMBER, seen=f"no engine: {docker.problem}", cure=unneeded)
        return
    yield _green("docker", docker.engine)
    cure = f"install the compose plugin; {unneeded}"
    yield _green("compose", docker.compose) if docker.compose else _amber("compose", "not installed", cure)
    if docker.nvidia:
        yield _green("NVIDIA runtime", "registered")
    elif case.vitals.gpus:
        cure = f"nvidia-ctk runtime configure --runtime=docker; {unneeded}"
        yield _amber("NVIDIA runtime", "not registered", cure)


def _address(case: Case) -> Iterator[Check]:
    """The host's own side of the link test."""
    listening, ports = case.patient.listening, case.host.ports
    if listening is None:
        return
    if listening.problem is not None:
        cure = "the link test needs a Python on the host, and a `node_address` that it can listen on"
        yield Check(name="listening", light=Light.RED, seen=listening.problem, cure=cure)
        return
    if not listening.own:
        cure = "correct `node_address`; behind NAT every port must be forwarded as it is"
        yield _amber("node address", f"{case.host.node_address} is no address of the host's own", cure)
    if listening.taken:
        cure = f"a fleet that is running, or something else (ss -ltnp): state other `ports` for {case.host.name}"
        yield _amber("own ports", f"in use: {_some(listening.taken)} of {ports.first}-{ports.last}", cure)


def _ports(case: Case) -> Iterator[Check]:
    """The ways from this host to the others."""
    patient = case.patient
    if patient.path_problem is not None:
        yield Check(name="ports", light=Light.RED, seen=patient.path_problem, cure="is there a Python on the host?")
        return
    blocked = [path for path in patient.paths if path.closed]
    untried = [path.target for path in patient.paths if not path.closed and not path.open]
    for path in blocked[:_LISTED]:
        ports = tuple(port for port, _ in path.closed)
        seen = f"to {path.target} closed: {_some(ports)} ({', '.join(sorted({why for _, why in path.closed}))})"
        cure = (
            f"on {path.target}, let TCP from {case.host.node_address} in at its `ports`; is its `node_address` right?"
        )
        yield Check(name="ports", light=Light.RED, seen=seen, cure=cure)
    if len(blocked) > _LISTED:
        names = ", ".join(path.target for path in blocked[_LISTED:])
        yield Check(name="ports", light=Light.RED, seen=f"likewise to {names}", cure="as above")
    if untried:
        yield _amber("ports", f"not tried to {', '.join(untried)}", "its ports are in use: look at its own checks")
    if reached := [path.target for path in patient.paths if path.open and not path.closed]:
        yield _green("ports", f"{len(patient.paths[0].open)} tried of each range, all open: {', '.join(reached)}")


def _link(case: Case) -> Iterator[Check]:
    """Round trip and bandwidth to the head, where they were measured."""
    for path in case.patient.paths:
        if path.rtt is None or path.up is None or path.down is None:
            continue
        cure = "a worker so far away loses part of its time: `fleet bench` measures how much"
        seen = f"{_fine(path.rtt)} to {path.target}"
        yield _green("round trip", seen) if path.rtt <= RTT_WISHED else _amber("round trip", seen, cure)
        yield _bandwidth(path)


def _bandwidth(path: Path) -> Check:
    slower = min(path.up or 0.0, path.down or 0.0)
    light = Light.RED if slower < BANDWIDTH_NEEDED else Light.AMBER if slower < BANDWIDTH_WISHED else Light.GREEN
    up, down = (format_bytes(rate or 0.0) for rate in (path.up, path.down))
    cure = "segments of 5 to 10 MB have to get there: look at the cable, the switch port, the VPN"
    seen = f"{up}/s to {path.target}, {down}/s back"
    return Check(name="bandwidth", light=light, seen=seen, cure=None if light is Light.GREEN else cure)


def _fine(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms" if seconds < RTT_WISHED else format_seconds(seconds)


def _some(ports: Sequence[int]) -> str:
    shown = ", ".join(map(str, ports[:_LISTED]))
    return f"{shown} and {len(ports) - _LISTED} more" if len(ports) > _LISTED else shown


def _green(name: str, seen: str) -> Check:
    return Check(name=name, light=Light.GREEN, seen=seen)


def _amber(name: str, seen: str, cure: str) -> Check:
    return Check(name=name, light=Light.AMBER, seen=seen, cure=cure)


def _minor(version: str) -> tuple[int, ...]:
    """`3.11.7` → (3, 11)."""
    return tuple(int(part) for part in version.split(".")[:2])


def _release(version: str) -> str:
    """`0.1.0+5d41402abc4b` → `0.1.0`."""
    return version.partition("+")[0]


_JUDGES: tuple[_Judge, ...] = (
    _reach,
    _sudo,
    _python,
    _versions,
    _room,
    _clock,
    _gpus,
    _docker,
    _address,
    _ports,
    _link,
)
"""In the order of the table."""
