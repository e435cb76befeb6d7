"""Hosts sampled while something else is measured there: by a fleet that was brought for it, and leaves with it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from local_transport import LocalTransport

from fleet.model.event import Event, Note
from fleet.model.inventory import Device, DeviceKind, Host, Login, Ports, Role
from fleet.model.samples import DeviceSample, HostSample, Sample
from fleet.provision.lending import loan
from fleet.workload.onlookers import Looking, Onlookers

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]


def host_at(work: Path, python: str = sys.executable) -> Host:
    return Host(
        name="box",
        role=Role.HEAD,
        login=Login(address="127.0.0.1"),
        node_address="127.0.0.1",
        devices=(Device(name="gpu0", kind=DeviceKind.EMULATED, model="card"),),
        ports=Ports(first=20_000, last=20_299),
        python=python,
        work_dir=str(work),
    )


def onlookers(host: Host, hear: Callable[[Event], None] = lambda _: None) -> Onlookers:
    transport = LocalTransport()
    looking = Looking(run="r1", offsets={}, interval=0.1, archive=loan(transport, "r1"))
    return Onlookers(transport, [host], looking, hear)


def gone(folder: Path) -> bool:
    """Whether the folder goes: its program ends by itself."""
    until = time.monotonic() + 60
    while folder.exists() and time.monotonic() < until:
        time.sleep(0.05)
    return not folder.exists()


def test_a_host_is_sampled_and_nothing_is_left_there(tmp_path: Path) -> None:
    """The samples are those of the trial; the work folder was not there before, and is not afterwards."""
    work = tmp_path / "work"
    with onlookers(host_at(work)) as watching:
        watching.mark(["box"], "t1 begins")
        start = time.time()
        samples: tuple[Sample, ...] = ()
        while not samples:
            watching.mark(["box"], "t1 ends")
            found = watching.collected(["box"], start, time.time(), "t1 ends")
            samples = found.samples
            assert found.lacks == ()
        assert work.exists()
    assert {type(each) for each in samples} == {HostSample, DeviceSample}
    assert all(start < each.time for each in samples)
    assert gone(work)


def test_a_controller_that_is_gone_leaves_nothing_on_a_host(tmp_path: Path) -> None:
    """Its streams end, as they do when it is killed."""
    work = tmp_path / "work"
    watching = onlookers(host_at(work))
    watching.mark(["box"], "t1 begins")
    assert work.exists()
    for nodes in watching._nodes.values():
        for link in nodes._links.values():
            link.close()
    assert gone(work)


@pytest.mark.parametrize("python", ["/nowhere/python3", "false"])
def test_a_host_without_a_python_that_would_do_is_measured_without_telemetry(tmp_path: Path, python: str) -> None:
    """That is said once, and with every trial; nothing was brought."""
    heard: list[Event] = []
    work = tmp_path / "work"
    with onlookers(host_at(work, python), heard.append) as watching:
        for trial in ("t1", "t2"):
            watching.mark(["box"], f"{trial} begins")
            found = watching.collected(["box"], 0.0, time.time(), f"{trial} ends")
            assert found.samples == ()
            assert [(lack.host, lack.device, lack.field) for lack in found.lacks] == [("box", None, "*")]
    (note,) = heard
    assert isinstance(note, Note)
    assert note.text.startswith("box: no telemetry: its ")
    assert not work.exists()


def test_hosts_that_are_not_its_own_are_nobodys_business(tmp_path: Path) -> None:
    """A layout may have agents where no onlooker can be."""
    far = replace(host_at(tmp_path / "work"), name="far")
    with onlookers(far) as watching:
        watching.mark(["box"], "t1 begins")
        assert watching.collected(["box"], 0.0, time.time(), "t1 ends").lacks == ()
    assert not (tmp_path / "work").exists()
