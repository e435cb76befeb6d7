"""How a cluster ends, well or not: nothing that was started for it may be left on any host."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from cluster_processes import children, eventually, node_of, processes
from cluster_values import card, host, inventory, trial
from local_transport import LocalTransport

from fleet.errors import MeasureError
from fleet.model.event import HostFailed
from fleet.model.inventory import Host
from fleet.model.record import Observation, Outcome
from fleet.model.trial import Trial
from fleet.ports import Observer
from fleet.remote.paths import paths
from fleet.workload.synthetic import SyntheticWorkload

pytestmark = [pytest.mark.lab, pytest.mark.alone, pytest.mark.timeout(240)]

CONTROLLER = """
import sys
sys.path.insert(0, sys.argv[1])
from cluster_values import card, host, inventory, trial
from local_transport import LocalTransport
from fleet.workload.synthetic import SyntheticWorkload
names = ("box", "far")
hosts = [host(name, at, [card("gpu0")], work_dir=f"{sys.argv[2]}/{name}", ports=28000) for at, name in enumerate(names)]
with SyntheticWorkload(LocalTransport(), inventory(hosts), hosts, run="r", observer=print) as workload:
    print("up", flush=True)
    workload.run(trial("box/gpu0", "far/gpu0", iterations=12000), lambda done, total: print("done", done, flush=True))
"""
MANY = 12000
"""Iterations of a job that takes longer than anybody here waits."""
FEW = 5
PATIENCE = 30.0
"""Seconds that a busy machine may take to notice an end that is noticed at once: links close, nothing waits."""


def hosts_in(folder: Path, ports: int = 27200) -> tuple[Host, ...]:
    return tuple(
        host(name, number, [card("gpu0")], work_dir=str(folder / name), ports=ports)
        for number, name in enumerate(("box", "far"))
    )


def cluster(hosts: Sequence[Host], observer: Observer = lambda _event: None) -> SyntheticWorkload:
    return SyntheticWorkload(LocalTransport(), inventory(hosts), hosts, run="r", observer=observer)


@pytest.fixture(autouse=True)
def _short_folders(tmp_path: Path) -> Iterator[None]:
    """Remove the links that nodes killed by kill -9 could not remove."""
    yield
    for name in ("box", "far"):
        shutil.rmtree(paths(str(tmp_path / name)).short(), ignore_errors=True)


def run(workload: SyntheticWorkload, wanted: Trial) -> Observation:
    return workload.run(wanted, lambda _done, _total: None)


def killing(pid: int) -> Callable[[int, int], None]:
    """Progress that kills a process, by kill -9, when five tasks are done."""
    left = [pid]

    def progress(done: int, _total: int) -> None:
        if done >= FEW and left:
            os.kill(left.pop(), signal.SIGKILL)

    return progress


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A controller in a process of its own, in the middle of a trial."""
    words = (sys.executable, "-c", CONTROLLER, str(Path(__file__).parents[1] / "unit"), str(tmp_path))
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process:
        while process.stdout.readline().split()[:2] not in (["done", str(number)] for number in range(5, 50)):
            assert process.poll() is None
        yield process
        process.kill()


def test_a_host_lost_in_a_trial_is_an_outcome_and_the_rest_goes_on(tmp_path: Path) -> None:
    """A worker's node is killed in the middle of a trial, by kill -9: nothing of it stays, and the box proves on."""
    hosts, events = hosts_in(tmp_path), list[object]()
    with cluster(hosts, events.append) as workload:
        node = node_of(tmp_path / "far")
        below = children(node)
        assert len(below) >= 3
        seen = workload.run(trial("box/gpu0", "far/gpu0", iterations=MANY), killing(node))
        assert (seen.outcome, seen.lost) == (Outcome.HOST_LOST, ("far",))
        assert eventually(lambda: not below & processes(tmp_path).keys(), within=PATIENCE)
        assert workload.alive() == {"box"}
        assert run(workload, trial("box/gpu0")).outcome is Outcome.OK
    assert [each.failure.host for each in events if isinstance(each, HostFailed)] == ["far"]
    assert eventually(lambda: not processes(tmp_path), within=PATIENCE)


def test_with_the_head_the_cluster_is_lost(tmp_path: Path) -> None:
    """The trial it was lost in says so, no other can be run, and the workers do not outlive it."""
    hosts = hosts_in(tmp_path)
    with SyntheticWorkload(
        LocalTransport(), inventory(hosts), hosts, run="r", observer=lambda _event: None
    ) as workload:
        node = node_of(tmp_path / "box")
        seen = workload.run(trial("box/gpu0", "far/gpu0", iterations=MANY), killing(node))
        assert (seen.outcome, seen.lost) == (Outcome.HOST_LOST, ("box",))
        assert workload.alive() == frozenset()
        with pytest.raises(MeasureError, match="box: the head is lost: its node has ended"):
            run(workload, trial("far/gpu0"))
    assert eventually(lambda: not processes(tmp_path), within=PATIENCE), processes(tmp_path)


def test_a_driver_that_is_killed_is_replaced(tmp_path: Path) -> None:
    """Its trial has failed, its agents end with it, and the next trial runs on another driver."""
    hosts = hosts_in(tmp_path)
    with SyntheticWorkload(
        LocalTransport(), inventory(hosts), hosts, run="r", observer=lambda _event: None
    ) as workload:
        below = children(os.getpid())
        (driver,) = [
            pid for pid in below if b"fleet.remote.cluster.driver" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        assert workload.run(trial("box/gpu0", iterations=MANY), killing(driver)).outcome is Outcome.FAILED
        seen = run(workload, trial("box/gpu0"))
        assert (seen.outcome, seen.cause) == (Outcome.OK, None)
    assert eventually(lambda: not processes(tmp_path), within=PATIENCE)


def test_nothing_is_left_after_kill_9_of_the_controller(tmp_path: Path, controller: subprocess.Popen[str]) -> None:
    """The hosts notice that nobody is there any more, and clean up by themselves."""
    assert len(processes(tmp_path)) > 6
    controller.kill()
    assert eventually(lambda: not processes(tmp_path), within=PATIENCE), processes(tmp_path)


def test_nothing_is_left_after_ctrl_c(tmp_path: Path, controller: subprocess.Popen[str]) -> None:
    controller.send_signal(signal.SIGINT)
    assert controller.wait(timeout=PATIENCE) != 0
    assert eventually(lambda: not processes(tmp_path), within=PATIENCE), processes(tmp_path)


def test_a_head_whose_port_is_taken_says_so(tmp_path: Path) -> None:
    """Ray itself would wait for half a minute and then say something else."""
    hosts = hosts_in(tmp_path)
    port = hosts[0].ports.first + 1
    workload = cluster(hosts)
    refused = pytest.raises(MeasureError, match=f"port {port} is in use on this host")
    with socket.create_server(("127.0.0.61", port)), refused, workload:
        pass
    assert eventually(lambda: not processes(tmp_path), within=PATIENCE)


def test_what_an_earlier_run_left_is_swept_away(tmp_path: Path) -> None:
    """Its processes carry the mark of the work folder; those of other folders are nobody's business."""
    hosts = hosts_in(tmp_path)[:1]
    ours, other = (
        subprocess.Popen(("sleep", "300"), env={**os.environ, "FLEET_NODE": mark}, start_new_session=True)
        for mark in (str(tmp_path / "box"), str(tmp_path / "boxing"))
    )
    try:
        with cluster(hosts):
            assert ours.wait(timeout=PATIENCE) == -signal.SIGKILL
            assert other.poll() is None
    finally:
        other.kill()
        other.wait()
