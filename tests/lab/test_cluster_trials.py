"""Trials on a real Ray cluster of three nodes on this machine, by way of the real controller's side, without SSH."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cluster_processes import children, listening, node_of, processes
from cluster_values import card, core, host, inventory, trial
from local_transport import LocalTransport

from fleet.model.inventory import Inventory
from fleet.model.record import Observation, Outcome, TaskKind, TaskState
from fleet.model.samples import DeviceSample, HostSample
from fleet.model.trial import Trial
from fleet.workload.synthetic import SyntheticWorkload

pytestmark = [pytest.mark.lab, pytest.mark.alone, pytest.mark.timeout(240)]

# A client that says what it was told, at once: Ray's own would try for twenty seconds.
CLIENT = """
import ray
from ray._raylet import GcsClient
try:
    GcsClient(address="{address}:{port}").internal_kv_get(b"session_name", b"session")
    print("let in")
except Exception as error:
    print(type(error).__name__)
"""


@dataclass(frozen=True)
class Lab:
    """A cluster that is up, its hosts' folder, and what it tells the observer."""

    workload: SyntheticWorkload
    inventory: Inventory
    folder: Path
    events: list[object]

    def run(self, wanted: Trial) -> Observation:
        return self.workload.run(wanted, lambda _done, _total: None)

    @property
    def token(self) -> str:
        return self.workload._token


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A box with two cards, and two far hosts with one each; twenty-five emulated seconds in one."""
    folder = tmp_path_factory.mktemp("cluster")
    devices = ((card("gpu0"), card("gpu1")), (card("gpu0"),), (card("gpu0"),))
    hosts = tuple(
        host(name, number, cards, work_dir=str(folder / name))
        for number, (name, cards) in enumerate(zip(("box", "far1", "far2"), devices, strict=True))
    )
    whole = inventory(hosts)
    events: list[object] = []
    with SyntheticWorkload(LocalTransport(), whole, hosts, run="lab", observer=events.append) as workload:
        yield Lab(workload=workload, inventory=whole, folder=folder, events=events)


@pytest.fixture(scope="module")
def alone(lab: Lab) -> Observation:
    """The guide's job of nine segments on one card."""
    return lab.run(trial("box/gpu0"))


def test_a_job_is_proved_and_every_task_is_on_record(alone: Observation) -> None:
    """The guide's job to the cycle: 9 segments, 8,650,752 cycles, 19 tasks, each done on an agent we know."""
    assert (alone.outcome, alone.cause, alone.emulated) == (Outcome.OK, None, True)
    (job,) = alone.jobs
    assert (job.segments, job.total_cycles, len(job.tasks)) == (9, 8_650_752, 19)
    for task in job.tasks:
        assert task.state is TaskState.DONE
        assert task.started is not None
        assert task.updated is not None
        assert 0 <= task.created <= task.started <= task.updated
        assert (task.agent, task.host) == ((None if task.kind is TaskKind.EXECUTE else "box/gpu0#0"), "box")


def test_emulated_times_are_those_declared(alone: Observation) -> None:
    """A prove of 2^20 cycles moves 500 B a cycle over 2 GB/s and computes 0.2 s + 2^20/400 kHz; it cannot be faster."""
    (job,) = alone.jobs
    moving, computing = 2**20 * 500 / 2e9, 0.2 + 2**20 / 4e5
    for task in job.tasks[1:9]:
        if task.kind is TaskKind.PROVE:
            assert task.started is not None
            assert task.updated is not None
            assert task.updated - task.started > moving + computing - 0.01
            assert task.transfer == pytest.approx(moving, rel=0.05)


@pytest.mark.parametrize(
    "agents",
    [("box/gpu0", "box/gpu1"), ("far1/gpu0",), ("box/gpu1", "far1/gpu0", "far2/gpu0")],
    ids=["two cards", "remote", "everywhere"],
)
def test_the_digest_depends_on_no_layout_host_or_order(lab: Lab, alone: Observation, agents: tuple[str, ...]) -> None:
    """And each layout uses all of its agents."""
    seen = lab.run(trial(*agents))
    assert (seen.outcome, seen.cause) == (Outcome.OK, None)
    assert seen.jobs[0].digest == alone.jobs[0].digest
    assert {task.agent for task in seen.jobs[0].tasks if task.agent} == {f"{agent}#0" for agent in agents}


def test_concurrent_jobs_share_the_agents_and_have_digests_of_their_own(lab: Lab, alone: Observation) -> None:
    seen = lab.run(trial("box/gpu0", "box/gpu1", "far1/gpu0", jobs=3))
    assert seen.outcome is Outcome.OK
    assert [job.total_cycles for job in seen.jobs] == [8_650_752] * 3
    digests = [job.digest for job in seen.jobs]
    assert digests[0] == alone.jobs[0].digest
    assert len(set(digests)) == 3


def test_telemetry_covers_every_host_and_device(alone: Observation) -> None:
    """Of the one card that worked it tells so; of the idle ones too."""
    hosts = {each.host for each in alone.telemetry.samples if isinstance(each, HostSample)}
    devices = [each for each in alone.telemetry.samples if isinstance(each, DeviceSample)]
    assert hosts == {"box", "far1", "far2"}
    assert {(each.host, each.device) for each in devices} == {
        ("box", "gpu0"),
        ("box", "gpu1"),
        ("far1", "gpu0"),
        ("far2", "gpu0"),
    }
    busy = [each for each in devices if (each.host, each.device) == ("box", "gpu0")]
    assert all(each.emulated and each.memory_used == 9_400_000_000 and each.busy for each in busy)
    assert all(alone.started <= each.time <= alone.started + alone.elapsed for each in devices)


def test_too_little_memory_is_an_outcome_and_says_so_in_the_agents_log(lab: Lab) -> None:
    """A second agent on a 16 GB card at po2 20 does not fit; the log is the agent's own, and its host keeps it, too."""
    seen = lab.run(trial("box/gpu0", "box/gpu0#1"))
    assert (seen.outcome, seen.jobs) == (Outcome.OUT_OF_MEMORY, ())
    assert "called `Result::unwrap()` on an `Err` value: OutOfMemory" in seen.log[-1]
    logs = (lab.folder / "box" / "agents").glob("box-gpu0-*.log")
    assert seen.log[-1] in "".join(log.read_text() for log in logs)


def test_after_that_smaller_segments_find_room(lab: Lab) -> None:
    """What the failed trial held is given back: two agents at po2 19 fit on the same card."""
    seen = lab.run(trial("box/gpu0", "box/gpu0#1", po2=19))
    assert (seen.outcome, seen.cause) == (Outcome.OK, None)


def test_and_then_one_agent_may_have_the_card_to_itself(lab: Lab, alone: Observation) -> None:
    """The agent that is in the way is ended before the other takes its memory."""
    seen = lab.run(trial("box/gpu0"))
    assert (seen.outcome, seen.jobs[0].digest) == (Outcome.OK, alone.jobs[0].digest)


def test_an_agent_that_dies_fails_the_trial_but_not_the_host(lab: Lab) -> None:
    """It is told from the loss of a host, and the next trial starts another agent."""
    below = children(node_of(lab.folder / "far1"))
    (agent,) = [pid for pid in below if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::Agent")]
    os.kill(agent, signal.SIGKILL)
    seen = lab.run(trial("far1/gpu0"))
    assert (seen.outcome, seen.lost) == (Outcome.FAILED, ())
    assert seen.cause is not None
    assert seen.cause.startswith("far1/gpu0#0: ")
    assert lab.workload.alive() == {"box", "far1", "far2"}
    assert lab.run(trial("far1/gpu0")).outcome is Outcome.OK


@pytest.mark.parametrize("token", [None, "0" * 64], ids=["without", "wrong"])
def test_a_client_without_the_token_is_refused(lab: Lab, token: str | None) -> None:
    box = lab.inventory.head
    known = {} if token is None else {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
    around = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    program = CLIENT.format(address=box.node_address, port=box.ports.first)
    asked = subprocess.run(
        [sys.executable, "-c", program], env={**around, **known}, capture_output=True, text=True, timeout=60, check=True
    )
    assert asked.stdout.split() == ["AuthenticationError"]


def test_a_client_with_the_token_is_let_in(lab: Lab) -> None:
    """Or the refusals above would prove nothing."""
    box = lab.inventory.head
    program = CLIENT.format(address=box.node_address, port=box.ports.first)
    known = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": lab.token}
    asked = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **known},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert asked.stdout.split() == ["let", "in"]


def test_everything_listens_within_its_hosts_ports_only(lab: Lab) -> None:
    """Ray, the agents and the driver; a node listens on two ports at least, or we looked at the wrong processes."""
    for each in lab.inventory.hosts:
        ports = set().union(*(listening(pid) for pid in children(node_of(Path(each.work_dir)))))
        assert len(ports) >= 2
        assert all(each.ports.first <= port <= each.ports.last for port in ports)
    (driver,) = [
        pid
        for pid in children(os.getpid())
        if b"fleet.remote.cluster.driver" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    head = lab.inventory.head.ports
    assert listening(driver)
    assert all(head.first <= port <= head.last for port in listening(driver))


def test_the_token_is_in_no_command_line_and_no_file(lab: Lab) -> None:
    assert len(processes(lab.folder)) > 6
    assert not any(lab.token in words for words in processes(lab.folder).values())
    files = [path for path in lab.folder.rglob("*") if path.is_file()]
    assert files
    assert not any(lab.token.encode() in path.read_bytes() for path in files)


def test_a_core_proves_for_real(tmp_path: Path) -> None:
    """A CPU device gets the whole trace of each segment, in real time, and comes to the reference's digest."""
    box = host("box", 0, [core("cpu0"), core("cpu1")], work_dir=str(tmp_path / "b"), ports=27000)
    whole = inventory([box], time_scale=1.0)
    with SyntheticWorkload(LocalTransport(), whole, [box], run="cpu", observer=lambda _event: None) as workload:
        seen = workload.run(trial("box/cpu0", "box/cpu1", po2=15, iterations=12), lambda _done, _total: None)
    assert (seen.outcome, seen.cause, seen.emulated) == (Outcome.OK, None, False)
    assert {task.transfer for task in seen.jobs[0].tasks} == {None}
