"""The doctor's judgement by cases: one finding differs from a healthy host, and this is what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from model_values import values_of

from fleet.model.checkup import Check, Docker, Gpu, Light, Listening, Path, Patient, Sudo, Vitals
from fleet.model.facts import ClockOffset, Facts, Failure
from fleet.model.inventory import Device, DeviceKind, Host, Login, Ports, Role
from fleet.plan.checkup.doctor import PORTS_TRIED, diagnose, ports_to_try

GIB = 2**30
HEAD = Host(
    name="box",
    role=Role.HEAD,
    login=Login(address="192.0.2.1"),
    node_address="10.0.0.1",
    devices=(),
    ports=Ports(first=20000, last=20299),
    python=".fleet/venv/bin/python",
    work_dir=".fleet",
)
FAR = replace(HEAD, name="far", role=Role.WORKER, node_address="10.0.0.2")
FACTS = Facts(
    host="box",
    system="Debian",
    kernel="6.1",
    cpu_model=None,
    cores=8,
    memory=32 * GIB,
    disk_free=90 * GIB,
    python="3.11.7",
    ray="2.60.0",
    fleet="0.1.0+5d41402abc4b",
)
GPU = Gpu(name="A", driver="550.1", memory=16 * GIB, ecc=0, throttle=0x5, link=(1, 16), link_max=(4, 16))
VITALS = Vitals(
    sudo=Sudo.FREE,
    memory_available=30 * GIB,
    shared_memory=15 * GIB,
    gpus=(GPU, GPU),
    docker=Docker(engine="27.3.1", compose="2.29.7", nvidia=True),
)
WAY = Path(source="far", target="box", open=(20000, 20299), rtt=0.0004, up=1e8, down=1e8)
BOX = Patient(
    host=HEAD,
    facts=FACTS,
    vitals=VITALS,
    offset=ClockOffset(host="box", offset=0.002, error=0.001),
    listening=Listening(ports=(20000, 20299)),
    paths=(replace(WAY, source="box", target="far", rtt=None, up=None, down=None),),
)
WORKER = replace(BOX, host=FAR, facts=replace(FACTS, host="far"), paths=(WAY,))

Change = Callable[[Patient], Patient]


def facts(**found: Any) -> Change:
    return lambda patient: replace(patient, facts=replace(FACTS, **found))


def vitals(**found: Any) -> Change:
    return lambda patient: replace(patient, vitals=replace(VITALS, **found))


def gpu(**found: Any) -> Change:
    return vitals(gpus=(GPU, replace(GPU, **found)))


def way(**found: Any) -> Change:
    return lambda patient: replace(patient, paths=(replace(WAY, **found),))


def listening(**found: Any) -> Change:
    return lambda patient: replace(patient, listening=Listening(**found))


def clock(offset: float, error: float = 0.001) -> Change:
    return lambda patient: replace(patient, offset=ClockOffset(host="far", offset=offset, error=error))


def with_cards(count: int, *more: Change) -> Change:
    card = Device(name="gpu0", kind=DeviceKind.CUDA, model="A")

    def change(patient: Patient) -> Patient:
        patient = replace(patient, host=replace(FAR, devices=(card,) * count))
        for one in more:
            patient = one(patient)
        return patient

    return change


def sudo_stated(problem: str | None) -> Change:
    failure = Failure(host="far", stage="sudo", message=problem) if problem else None
    host = replace(FAR, login=replace(FAR.login, sudo=True))
    return lambda patient: replace(patient, host=host, sudo_failure=failure, vitals=replace(VITALS, sudo=Sudo.LOCKED))


def own_python(*more: Change) -> Change:
    def change(patient: Patient) -> Patient:
        for one in more:
            patient = one(patient)
        return replace(patient, host=replace(FAR, python="/usr/bin/python3"))

    return change


def checks(patient: Patient, head: Patient = BOX) -> tuple[Check, ...]:
    return diagnose([head, patient])[1].checks


def test_a_healthy_fleet_is_green_all_over() -> None:
    found = diagnose([BOX, WORKER])
    assert [checkup.host for checkup in found] == ["box", "far"]
    assert {check.light for checkup in found for check in checkup.checks} == {Light.GREEN}
    assert {check.name for check in found[1].checks} - {check.name for check in found[0].checks} == {
        "round trip",
        "bandwidth",
    }


CASES: list[tuple[Change, str, Light, str]] = [
    (vitals(sudo=Sudo.LOCKED), "sudo", Light.AMBER, "password"),
    (vitals(sudo=Sudo.MISSING), "sudo", Light.AMBER, "not installed"),
    (sudo_stated(None), "sudo", Light.GREEN, "as the inventory states"),
    (sudo_stated("it wants a password"), "sudo", Light.RED, "it wants a password"),
    (facts(python=None), "Python", Light.RED, "does not run: .fleet/venv/bin/python"),
    (facts(python="3.9.2"), "Python", Light.RED, "3.9.2 is too old"),
    (facts(python="3.12.1"), "Python", Light.RED, "3.11.7 on the head"),
    (facts(python="3.11.2"), "Python", Light.GREEN, "3.11.2"),
    (facts(ray=None), "Ray", Light.AMBER, "not installed"),
    (own_python(facts(ray=None)), "Ray", Light.RED, "not installed"),
    (own_python(facts(ray="2.9.0")), "Ray", Light.RED, "2.9.0, and 2.60.0 on the head"),
    (facts(fleet="0.1.0+ffffffffffff"), "fleet", Light.GREEN, "0.1.0"),
    (facts(fleet="0.2.0"), "fleet", Light.AMBER, "must be the same"),
    (facts(disk_free=GIB), "disk", Light.RED, "1.0 GiB"),
    (facts(disk_free=5 * GIB), "disk", Light.AMBER, "5.0 GiB"),
    (facts(disk_free=None), "disk", Light.AMBER, "does not tell"),
    (vitals(memory_available=GIB // 2), "memory", Light.RED, "512.0 MiB free of 32.0 GiB"),
    (vitals(memory_available=2 * GIB), "memory", Light.AMBER, "2.0 GiB"),
    (vitals(shared_memory=64 * 2**20), "shared memory", Light.AMBER, "64.0 MiB"),
    (vitals(shared_memory=None), "shared memory", Light.AMBER, "does not tell"),
    (clock(1.9), "clock", Light.AMBER, "+1,900"),
    (clock(-300.0), "clock", Light.RED, "-300,000"),
    (clock(3.0, error=2.5), "clock", Light.GREEN, "± 2,500"),
    (lambda patient: replace(patient, offset=None), "clock", Light.AMBER, "no time"),
    (vitals(gpus=()), "driver", Light.GREEN, "no device needs one"),
    (vitals(gpus=(), gpu_problem="mismatch"), "driver", Light.AMBER, "mismatch"),
    (with_cards(1, vitals(gpus=())), "driver", Light.RED, "no nvidia-smi"),
    (with_cards(1, vitals(gpus=(), gpu_problem="mismatch")), "driver", Light.RED, "mismatch"),
    (with_cards(2), "GPUs", Light.GREEN, "2 × A (16.0 GiB)"),
    (with_cards(3), "GPUs", Light.RED, "declares 3"),
    (gpu(ecc=7), "ECC", Light.RED, "GPU 1: 7"),
    (vitals(gpus=(replace(GPU, ecc=None),)), "ECC", Light.GREEN, "have none"),
    (gpu(throttle=0x48), "throttle", Light.RED, "GPU 1: hardware slowdown, GPU 1: too hot"),
    (gpu(throttle=0x20), "throttle", Light.AMBER, "GPU 1: warm"),
    (gpu(throttle=0x117), "throttle", Light.GREEN, "none"),
    (gpu(link=(4, 8)), "PCIe link", Light.AMBER, "GPU 1: ×8 of ×16"),
    (gpu(link=None, link_max=None), "PCIe link", Light.GREEN, "×16, generation 4"),
    (vitals(docker=None), "docker", Light.AMBER, "not installed"),
    (vitals(docker=Docker(engine=None, compose=None, nvidia=False, problem="no")), "docker", Light.AMBER, "engine: no"),
    (vitals(docker=Docker(engine="27", compose=None, nvidia=True)), "compose", Light.AMBER, "not installed"),
    (vitals(docker=Docker(engine="27", compose="2", nvidia=False)), "NVIDIA runtime", Light.AMBER, "not registered"),
    (listening(problem="Permission denied"), "listening", Light.RED, "Permission denied"),
    (listening(ports=(20000,), own=False), "node address", Light.AMBER, "10.0.0.2 is no address"),
    (listening(ports=(1,), taken=(2, 3, 4, 5, 6, 7)), "own ports", Light.AMBER, "2, 3, 4, 5 and 2 more"),
    (way(open=(), closed=((20000, "no answer"),)), "ports", Light.RED, "to box closed: 20000 (no answer)"),
    (way(open=(20000,), closed=((20299, "Connection refused"),)), "ports", Light.RED, "20299 (Connection refused)"),
    (way(open=()), "ports", Light.AMBER, "not tried to box"),
    (lambda patient: replace(patient, path_problem="no Python"), "ports", Light.RED, "no Python"),
    (way(rtt=0.04), "round trip", Light.AMBER, "40 ms to box"),
    (way(up=1e7), "bandwidth", Light.AMBER, "9.5 MiB/s to box"),
    (way(down=1e5), "bandwidth", Light.RED, "97.7 KiB/s back"),
]


@pytest.mark.parametrize(("change", "name", "light", "seen"), CASES)
def test_one_finding_changes_its_own_check(change: Change, name: str, light: Light, seen: str) -> None:
    """And whatever is not green says what to do."""
    found = [check for check in checks(change(WORKER)) if check.name == name]
    assert any(check.light is light and seen in check.seen for check in found), found
    assert all(bool(check.cure) == (check.light is not Light.GREEN) for check in checks(change(WORKER)))
    others = {check.name for check in checks(change(WORKER)) if check.light is not Light.GREEN} - {name}
    assert not others


def test_where_nothing_of_fleets_is_to_be_installed_nothing_is_missing() -> None:
    """A Bento cluster has all that it needs."""
    (found,) = diagnose([BOX], bare=True)
    assert not {"Ray", "fleet"} & {check.name for check in found.checks}
    assert {"Ray", "fleet"} <= {check.name for check in diagnose([BOX])[0].checks}


def test_a_host_that_failed_has_one_red_check_with_the_hint() -> None:
    lost = Patient(host=FAR, failure=Failure(host="far", stage="host key", message="it has changed", hint="look"))
    assert checks(lost) == (Check(name="host key", light=Light.RED, seen="it has changed", cure="look"),)


def test_without_the_head_there_is_nothing_to_compare_with_and_nothing_missing() -> None:
    lost = Patient(host=HEAD, failure=Failure(host="box", stage="reach", message="down"))
    found = checks(replace(WORKER, paths=(), facts=replace(FACTS, python="3.12.1", ray="2.59.0")), lost)
    assert {check.light for check in found} == {Light.GREEN}


def test_many_blocked_ways_are_listed_in_short() -> None:
    blocked = tuple(replace(WAY, target=f"far-{n}", open=(), closed=((1, "no answer"),)) for n in range(9))
    found = [check for check in checks(replace(WORKER, paths=blocked)) if check.name == "ports"]
    assert len(found) == 5
    assert found[-1].seen == "likewise to far-4, far-5, far-6, far-7, far-8"


@pytest.mark.parametrize(("first", "last"), [(20000, 20299), (20000, 20000), (20000, 20001), (1024, 65535), (5, 12)])
def test_ports_are_spread_over_the_range(first: int, last: int) -> None:
    ports = ports_to_try(replace(HEAD, ports=Ports(first=first, last=last)))
    assert (ports[0], ports[-1]) == (first, last)
    assert list(ports) == sorted(set(ports))
    assert len(ports) == min(PORTS_TRIED, last - first + 1)


@given(values_of(Vitals), values_of(tuple[Path, ...]))
def test_whatever_was_seen_every_red_check_has_a_cure(found: Vitals, paths: tuple[Path, ...]) -> None:
    said = checks(replace(WORKER, vitals=found, paths=paths))
    assert all(check.cure for check in said if check.light is not Light.GREEN)
