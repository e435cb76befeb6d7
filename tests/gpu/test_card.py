"""On a real card: the digests, the memory and the speed that the prover promises. `tests/run gpu` prints the figures.

Needs numpy, cupy, nvidia-ml-py, psutil and pytest, and nothing else; skips where there is no card, and says so.
Where CUDA's toolkit is, `compute-sanitizer --tool memcheck tests/run gpu -k numpys` (racecheck, initcheck) looks for
what digests do not show.
"""

from __future__ import annotations

import datetime as dt
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import cupy
import numpy_prover
import psutil
import pynvml
import pytest
from card_agents import segments_per_second, steady
from card_rates import Peaks, hash_share, peaks, transform_rates

from fleet.errors import ConfigurationError
from fleet.model.inventory import SyntheticSettings
from fleet.remote.prover.cuda import CudaDevice, held_memory
from fleet.remote.prover.cuda_board import CupyBoard
from fleet.remote.prover.cuda_work import CudaWork, working_memory
from fleet.remote.prover.device import JOIN_LEAVES
from fleet.remote.prover.memory import OutOfMemory, required_memory
from fleet.remote.prover.state import AgentSeat, state_file

COLUMNS = 64
STEADY_SECONDS = 4.0
Say = Callable[[str], None]

_TRACE_BYTES = 48
"""Of the host's memory for each element while numpy makes a trace."""


@pytest.fixture(scope="module")
def board() -> Iterator[CupyBoard]:
    """The first card."""
    try:
        board = CupyBoard(0)
    except ConfigurationError as error:
        (pytest.fail if os.environ.get("FLEET_NEEDS_GPU") else pytest.skip)(f"missing: a card. {error}")
    yield board
    board.close()


@pytest.fixture(scope="module")
def reached(board: CupyBoard, say: Say) -> Peaks:
    """What it reaches in this run."""
    found = peaks(board)
    model = board.properties()["name"].decode()
    say(f"{model}, driver {driver()}, {dt.datetime.now(dt.UTC):%Y-%m-%d}; host {os.cpu_count()} cores")
    say(f"copy in memory {found.copy / 1e9:,.0f} GB/s (read + written)")
    say(f"bus {found.to_device / 1e9:.1f} GB/s to the card, {found.to_host / 1e9:.1f} GB/s back")
    say(f"integer {found.integers / 1e12:.2f} T multiply-adds/s; field {found.field / 1e12:.2f} T operations/s")
    return found


def driver() -> str:
    """The driver's version."""
    pynvml.nvmlInit()
    return str(pynvml.nvmlSystemGetDriverVersion())


@pytest.fixture
def device(board: CupyBoard, tmp_path: Path) -> Iterator[CudaDevice]:
    """An agent on a board of its own, which its end closes."""
    del board
    seat = AgentSeat(state_file(tmp_path), "gpu0")
    with closing(CudaDevice(CupyBoard(0), memory=None, columns=COLUMNS, seat=seat)) as agent:
        yield agent


@pytest.mark.parametrize(("po2", "columns"), [(1, 1), (2, 8), (5, 3), (8, 17), (10, 64), (11, 8), (13, 20), (15, 64)])
def test_the_cards_digests_are_numpys(board: CupyBoard, po2: int, columns: int) -> None:
    """Bit by bit, through one pass and two, full tiles and not."""
    work = CudaWork(board, columns)
    work.make_room(po2, 0)
    trace = numpy_prover.trace(1, 0, po2, columns)
    work.begin(0, trace, po2)
    digest = numpy_prover.prove(trace, columns)
    assert work.finish(0) == digest
    assert work.join(digest, digest) == numpy_prover.join(digest, digest, JOIN_LEAVES)
    assert work.finalize(digest) == numpy_prover.finalize(digest)
    work.close()


def test_the_cards_digests_are_the_compiled_provers(board: CupyBoard) -> None:
    """Large segments, where the compiled prover is there: passes of ten stages, and three passes."""
    try:
        from fleet.remote.prover import cpu  # noqa: PLC0415 (a bare GPU machine has no numba)
    except ImportError:
        pytest.skip("missing: numba")
    for po2, columns in ((20, 8), (21, 2)):
        work = CudaWork(board, columns)
        work.make_room(po2, 0)
        trace = numpy_prover.trace(2, 0, po2, columns)
        work.begin(0, trace, po2)
        assert work.finish(0) == cpu.prove(trace, columns)
        work.close()


def test_transforms_reach_seven_tenths_of_a_copy(board: CupyBoard, reached: Peaks, say: Say) -> None:
    """Of what they read and write, tables not counted, at 2^20 rows × 64 columns."""
    work = CudaWork(board, COLUMNS)
    work.make_room(20, 0)
    down, up = (rate / reached.copy for rate in transform_rates(board, work, 20, COLUMNS))
    work.close()
    say(f"transform 2^20 × {COLUMNS}: down {down:.0%}, up with scaling {up:.0%} of the copy's bandwidth")
    assert min(down, up) >= 0.7


def test_hashing_reaches_six_tenths_of_the_integer_peak(board: CupyBoard, reached: Peaks, say: Say) -> None:
    """Of the rate at which this run's microbenchmark does the same mix of field operations."""
    share = hash_share(board, reached, 1 << 20, COLUMNS)
    say(f"hash 2^20 × {COLUMNS}: {share:.0%} of the integer peak")
    assert share >= 0.6


def test_the_card_is_busy_while_the_host_feeds_it(device: CudaDevice, say: Say) -> None:
    """NVML's own figure in the steady state, two segments under way; by the way the cycles per second."""
    shares = {}
    for po2 in (18, 19, 20, 21):
        if psutil.virtual_memory().available < _TRACE_BYTES * (COLUMNS << po2) or not fits(device, po2):
            say(f"po2 {po2}: too large for this card or host")
            continue
        traces = [numpy_prover.trace(1, index, po2, COLUMNS) for index in range(2)]
        device.prove(traces[0], po2)
        busy, rate = watched(device, traces, po2)
        say(f"po2 {po2}: {rate * 2**po2 / 1e6:.2f} M cycles/s, busy {busy:.1%}")
        shares[po2] = busy
    assert shares.get(20, 1.0) >= 0.95


def test_a_trials_own_load_keeps_the_card_busy(board: CupyBoard, say: Say, tmp_path: Path) -> None:
    """What an inventory that says nothing of its load asks for: narrow traces, their work done many times over."""
    del board
    seat, effort = AgentSeat(state_file(tmp_path), "gpu0"), SyntheticSettings().effort
    with closing(CudaDevice(CupyBoard(0), memory=None, columns=2, seat=seat, effort=effort)) as agent:
        if not fits(agent, 20):
            pytest.skip("missing: room for po2 20 on this card")
        busy, rate = watched(agent, [numpy_prover.trace(1, index, 20, 2) for index in range(2)], 20)
    say(f"po2 20 as in a trial, 2 columns, effort {effort}: {rate * 2**20 / 1e6:.2f} M cycles/s, busy {busy:.1%}")
    assert busy >= 0.95


def free_memory() -> int:
    """Bytes of the first card that nobody holds."""
    free, _ = cupy.cuda.runtime.memGetInfo()
    return int(free)


def fits(device: CudaDevice, po2: int) -> bool:
    """Whether the card has room for segments of this size."""
    try:
        device.warm_up(po2)
    except OutOfMemory:
        return False
    return True


def watched(device: CudaDevice, traces: list[bytes], po2: int) -> tuple[float, float]:
    """(share of the time that NVML saw the card busy, segments per second) in the steady state."""
    seen: list[int] = []
    done = threading.Event()
    watcher = threading.Thread(target=watch, args=(seen, done))
    watcher.start()
    rate = steady(device, traces, po2, STEADY_SECONDS)
    done.set()
    watcher.join()
    settled = seen[len(seen) // 3 :]  # NVML's window reaches up to a second back
    return sum(settled) / max(1, len(settled)) / 100, rate


def watch(seen: list[int], done: threading.Event) -> None:
    """NVML's utilisation, each 20 ms."""
    pynvml.nvmlInit()
    handle = pynvml.nvmlDeviceGetHandleByIndex(0)
    while not done.wait(0.02):
        seen.append(int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu))


@pytest.mark.parametrize("agents", [1, 2, 4])
def test_agents_share_the_card(board: CupyBoard, agents: int, tmp_path: Path, say: Say) -> None:
    """Processes side by side: in turns without MPS, which is what the table shows."""
    if free_memory() < agents * required_memory(20) * 1.05:
        pytest.skip(f"{agents} agents do not fit this card at po2 20")
    rate = segments_per_second(agents, 20, COLUMNS, STEADY_SECONDS, tmp_path)
    how = "by MPS" if board.mps else "in turns"
    say(f"{agents} agents at po2 20, {how}: {rate * 2**20 / 1e6:.2f} M cycles/s together")
    assert rate > 0


def test_an_agent_holds_what_it_says(board: CupyBoard, tmp_path: Path, say: Say) -> None:
    """M(po2), context included, as the driver counts: what a plan says that fits, fits."""
    for po2 in (18, 20):
        before = free_memory()
        agent = CudaDevice(CupyBoard(0), memory=None, columns=COLUMNS, seat=AgentSeat(state_file(tmp_path), "gpu0"))
        agent.warm_up(po2)
        held = before - free_memory()
        agent.close()
        total = int(board.properties()["totalGlobalMem"])
        agents = total // required_memory(po2)
        say(f"po2 {po2}: M = {held / 1e9:.2f} GB allocated (+ context), {agents} agents on this card")
        assert held == pytest.approx(held_memory(po2, COLUMNS) - 500e6, rel=0.02)
        assert held >= working_memory(po2, COLUMNS)


def test_a_card_that_is_full_ends_an_agent_as_a_real_one_ends(device: CudaDevice) -> None:
    """No overcommitment: what does not fit is refused by the card, and a smaller segment still works afterwards."""
    with pytest.raises(OutOfMemory, match="OutOfMemory"):
        device.warm_up(25)
    device.warm_up(16)
