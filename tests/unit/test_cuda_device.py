"""A CUDA device keeps the contract of every device; its board is the host's, so that no card is needed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cluster_values import agent
from cuda_boards import HostBoard
from prover_usage import read_usage

from fleet.errors import ConfigurationError
from fleet.remote.cluster.tally import sharing
from fleet.remote.prover import cpu, cuda
from fleet.remote.prover.cuda import CONTEXT, CudaDevice, held_memory, open_card
from fleet.remote.prover.cuda_work import working_memory
from fleet.remote.prover.memory import OutOfMemory, required_memory
from fleet.remote.prover.mps import choose_mps, mps_pipe
from fleet.remote.prover.state import AgentSeat, state_file
from fleet.remote.prover.trace import make_trace

HELD = CONTEXT + 10**6


@pytest.fixture
def small_agents(monkeypatch: pytest.MonkeyPatch) -> None:
    """Agents that hold a megabyte besides the context, so that a test can."""
    monkeypatch.setattr(cuda, "required_memory", lambda _po2: HELD)
    monkeypatch.setattr(cuda, "_WARM_UP_PO2", 4)


@pytest.fixture
def board() -> HostBoard:
    """A card of two megabytes."""
    return HostBoard(capacity=2 * 10**6)


@pytest.fixture
def device(board: HostBoard, tmp_path: Path, small_agents: None) -> Iterator[CudaDevice]:
    """One agent on it."""
    del small_agents
    device = CudaDevice(board, memory=None, columns=8, seat=AgentSeat(state_file(tmp_path), "gpu0"))
    yield device
    device.close()


def test_tasks_have_the_cpus_digests_and_times_of_their_own(device: CudaDevice, tmp_path: Path) -> None:
    """Proof, join and end; busy time and memory are the host's to read."""
    device.warm_up(6)
    trace = make_trace(1, 0, 6, 8)
    proved = device.prove(trace, 6)
    joined = device.join(proved.digest, proved.digest)
    assert proved.digest == cpu.prove(trace, 8)
    assert joined.digest == cpu.join(proved.digest, proved.digest)
    assert device.finalize(joined.digest).digest == cpu.finalize(joined.digest)
    assert 0.0 < proved.transfer_seconds < proved.seconds
    usage = read_usage(state_file(tmp_path), "gpu0")
    assert usage.busy_seconds_total >= proved.seconds - proved.transfer_seconds
    assert (usage.memory_used, usage.pids) == (HELD, (os.getpid(),))


def test_time_counts_from_the_arrival(device: CudaDevice) -> None:
    """A trace that had to be fetched first took that long too."""
    trace = make_trace(1, 0, 3, 8)
    assert device.prove(trace, 3, arrival=0.0).started == 0.0


def test_segments_follow_one_another_two_at_a_time(device: CudaDevice) -> None:
    """In the order of their beginning; a third would overwrite the first's trace."""
    traces = [make_trace(1, index, 5, 8) for index in range(4)]
    digests = []
    device.begin(traces[0], 5)
    for trace in traces[1:]:
        device.begin(trace, 5)
        with pytest.raises(RuntimeError, match="finish one first"):
            device.begin(trace, 5)
        digests.append(device.finish())
    digests.append(device.finish())
    assert digests == [cpu.prove(trace, 8) for trace in traces]


def test_a_trace_of_another_size_is_refused(device: CudaDevice) -> None:
    """Real rows for real cycles."""
    with pytest.raises(ValueError, match=r"2\^6 cycles .* not 2\^5"):
        device.prove(make_trace(1, 0, 5, 8), 6)


@pytest.mark.parametrize(("memory", "columns"), [(None, 400), (HELD - 1, 8)])
def test_too_little_memory_ends_as_a_real_agent_ends(
    board: HostBoard, memory: int | None, columns: int, tmp_path: Path, small_agents: None
) -> None:
    """Whether the card has no more, or the inventory grants no more; the first words are those that operators know."""
    del small_agents
    seat = AgentSeat(state_file(tmp_path), "gpu0")
    with (
        closing(CudaDevice(board, memory=memory, columns=columns, seat=seat)) as device,
        pytest.raises(OutOfMemory, match=r"^called `Result::unwrap\(\)` on an `Err` value: OutOfMemory"),
    ):
        device.warm_up(9)


def test_closing_gives_everything_back_and_may_be_done_twice(
    board: HostBoard, tmp_path: Path, small_agents: None
) -> None:
    """Memory on the card, with its guards whole, and the seat."""
    del small_agents
    device = CudaDevice(board, memory=None, columns=8, seat=AgentSeat(state_file(tmp_path), "gpu0"))
    device.warm_up(5)
    device.close()
    device.close()
    assert (board.used, board.closed) == (0, True)
    assert read_usage(state_file(tmp_path), "gpu0").memory_used == 0


def test_an_agent_holds_what_a_real_one_of_its_size_holds() -> None:
    """M(po2), context included; the traces of no usual width need more than that."""
    for po2 in (18, 20, 21, 22):
        assert held_memory(po2, 64) == required_memory(po2) > working_memory(po2, 64) + CONTEXT
    assert held_memory(20, 1024) == working_memory(20, 1024) + CONTEXT > required_memory(20)


def test_a_card_is_called_as_the_driver_counts() -> None:
    """The name says which card: nothing else does."""
    with pytest.raises(ConfigurationError, match=r"fast is a CUDA device .*gpu0, gpu1"):
        open_card("fast")


def test_an_mps_daemon_that_is_asked_for_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA goes past a daemon that is not there in silence; then agents take turns that were meant to share."""
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"no MPS daemon .*nvidia-cuda-mps-control"):
        mps_pipe()
    os.mkfifo(tmp_path / "control")
    assert mps_pipe() == tmp_path


def test_agents_go_past_a_daemon_that_is_not_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wanted: its folder is named to CUDA; not wanted: a place without a pipe is; nothing said: nothing is touched."""
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(tmp_path))
    os.mkfifo(tmp_path / "control")
    for wanted, folder in ((None, tmp_path), (True, tmp_path), (False, None)):
        choose_mps("gpu0", wanted=wanted)
        assert mps_pipe() == folder


def test_mps_that_is_wanted_and_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that starts it; agents that would take turns in silence are another layout."""
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", os.devnull)
    with pytest.raises(ConfigurationError, match=r"gpu0: `mps` is asked for.*nvidia-cuda-mps-control -d"):
        choose_mps("gpu0", wanted=True)


def test_a_trial_says_how_agents_share_a_card() -> None:
    """One that goes past the daemon takes turns with all others; a lone one that does is nothing to tell of."""
    names = ("box/gpu0#0", "box/gpu0#1", "box/gpu1#0", "far/gpu0#0", "far/gpu0#1", "far/gpu1#0", "box/cpu0#0")
    told = (True, True, True, True, False, False, None)
    assert list(sharing(dict(zip(map(agent, names), told, strict=True)))) == [
        "driver: box/gpu0: 2 agents run side by side by MPS",
        "driver: box/gpu1: 1 agent, by MPS",
        "driver: far/gpu0: 2 agents take turns: time slices, no MPS",
    ]
