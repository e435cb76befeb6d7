"""Fleet's calls of cupy, on a stand-in of it: copies in chunks, errors, measurements, and that all is given back."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import card_rates
import pytest
from cuda_standin import stand_in

from fleet.errors import ConfigurationError, FleetError, MeasureError
from fleet.model.samples import CardState
from fleet.model.topology import CardPlace, Topology
from fleet.remote import gpuhealth
from fleet.remote.prover import cpu, cuda, cuda_board, cuda_measure
from fleet.remote.prover.cuda import CudaDevice
from fleet.remote.prover.cuda_board import CupyBoard
from fleet.remote.prover.cuda_work import CudaWork
from fleet.remote.prover.memory import OutOfMemory
from fleet.remote.prover.state import AgentSeat, state_file
from fleet.remote.prover.trace import make_trace


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The stand-in, where `import cupy` finds it; measurements are of a size for this machine."""
    found = stand_in(cards=2)
    monkeypatch.setitem(sys.modules, "cupy", found)
    monkeypatch.delenv("CUDA_MPS_PIPE_DIRECTORY", raising=False)
    for name, size in {
        "_COPIED": 2**12,
        "_BUSED": 2**12,
        "_PEAK_ROUNDS": 1,
        "_PEAK_BLOCKS_PER_MULTIPROCESSOR": 1,
    }.items():
        monkeypatch.setattr(cuda_measure, name, size)
    return found


def test_segments_reach_the_card_in_chunks_and_come_out_right(cupy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through pinned memory that grows with the traces; a last chunk is not full."""
    monkeypatch.setattr(cuda_board, "_CHUNK", 100)
    with closing(CupyBoard(1)) as board:
        work = CudaWork(board, 8)
        work.make_room(7, 0)
        for po2 in (4, 7, 5):
            trace = make_trace(1, 0, po2, 8)
            work.begin(0, trace, po2)
            assert work.finish(0) == cpu.prove(trace, 8)
        assert work.join((1,) * 8, (2,) * 8) == cpu.join((1,) * 8, (2,) * 8)
    board.close()
    assert (cupy.cuda.runtime.board.used, cupy.cuda.runtime.pinned.used) == (0, 0)


def test_an_agent_on_a_card_is_an_agent(cupy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole device on fleet's own board."""
    del cupy
    monkeypatch.setattr(cuda, "required_memory", lambda _po2: cuda.CONTEXT + 10**6)
    seat = AgentSeat(state_file(tmp_path), "gpu0")
    with closing(CudaDevice(cuda.open_card("gpu0"), memory=None, columns=8, seat=seat)) as device:
        device.warm_up(6)
        trace = make_trace(1, 0, 6, 8)
        assert device.prove(trace, 6).digest == cpu.prove(trace, 8)


def test_the_cards_errors_are_ours(cupy: Any) -> None:
    """No memory is the error that agents die of; anything else says which card."""
    with closing(CupyBoard(0)) as board:
        with pytest.raises(OutOfMemory):
            board.allocate(2**40)

        def lost(_number: int) -> None:
            raise cupy.cuda.runtime.CUDARuntimeError(719)

        cupy.cuda.runtime.getDeviceProperties = lost
        with pytest.raises(MeasureError, match="gpu0: error 719"):
            board.properties()
    with pytest.raises(ConfigurationError, match=r"no card gpu2 .*2 here"):
        CupyBoard(2)


@pytest.mark.parametrize(
    ("kind", "status", "expected", "said"),
    [
        ("driver", 2, OutOfMemory, "OutOfMemory"),
        ("runtime", 2, OutOfMemory, "OutOfMemory"),
        ("runtime", 46, MeasureError, r"gpu1: error 46 \(another process has the card to itself"),
        ("runtime", 214, MeasureError, r"gpu1: error 214 \(.*ECC"),
        ("driver", 700, MeasureError, r"gpu1: driver's error 700 \(the card's state is lost"),
        ("driver", 719, MeasureError, r"gpu1: driver's error 719 \(the card's state is lost"),
        ("driver", 701, MeasureError, r"gpu1: driver's error 701\Z"),
        ("driver", 803, MeasureError, r"gpu1: driver's error 803 \(.*restart the host"),
    ],
)
def test_a_card_that_cannot_be_had_or_is_lost_says_what_to_do(
    cupy: Any, kind: str, status: int, expected: type[FleetError], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When its context is made as when a kernel starts; memory is memory, whichever half of CUDA misses it."""
    errors = {"runtime": cupy.cuda.runtime.CUDARuntimeError, "driver": cupy.cuda.driver.CUDADriverError}

    def fails(*_given: object, **_named: object) -> None:
        raise errors[kind](status)

    with closing(CupyBoard(1)) as board:
        monkeypatch.setattr("cuda_standin.Kernel.__call__", fails)
        with pytest.raises(expected, match=said):
            board.launch("check_range", 1, 32, ())
    monkeypatch.setattr(cupy.cuda, "Stream", fails)
    with pytest.raises(expected, match=said):
        CupyBoard(1)


def test_a_cupy_that_cannot_be_loaded_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the page that it prints, what was missing."""

    class Finder:
        """Finds cupy as it is where a library of CUDA's is missing."""

        @staticmethod
        def find_spec(name: str, *_rest: object) -> None:
            """Raise as its `__init__` does."""
            if name == "cupy":
                raise ImportError("\n=====\nFailed to import CuPy.\n\nIf you…\n") from OSError(
                    "libnvrtc.so.13: no such file"
                )

    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    with pytest.raises(
        ConfigurationError, match=r"gpu0: CUDA cannot be used here: libnvrtc\.so\.13: no such file \(ins"
    ):
        cuda_board.open_cupy("gpu0")


def test_measurements_run_and_leave_nothing_behind(cupy: Any) -> None:
    """Their figures mean nothing here; on a card they are the benchmark's."""
    with closing(CupyBoard(0)) as board:
        used = cupy.cuda.runtime.board.used
        reached = card_rates.peaks(board)
        work = CudaWork(board, 16)
        work.make_room(6, 0)
        rates = card_rates.transform_rates(board, work, 6, 16)
        share = card_rates.hash_share(board, reached, 64, 16)
        work.close()
        assert min(*rates, share, reached.copy, reached.to_host, cuda_measure.integer_rate(board, 0.01)) > 0
        assert cupy.cuda.runtime.board.used == used


class Nvml:
    """Two cards that the driver sees."""

    class Card:
        """One of them; its driver tells nothing but the clock."""

        def __init__(self, index: int) -> None:
            self.index = index

        def ask(self, name: str, *_calls: object) -> int | None:
            """The clock under load, in MHz."""
            return 1500 if name == "sm_clock" else None

    cards = (Card(0), Card(1))

    def close(self) -> None:
        """Nothing."""


def state(_library: object, _card: object, host: str, device: str, time: float, _ours: object) -> CardState:
    """A card that tells its model and no more."""
    return CardState(host=host, device=device, time=time, model="M")


def test_a_hosts_cards_are_measured_alone_and_together(cupy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with its root port; a card that cannot be opened is said to be so, and the other is measured."""
    del cupy
    places = tuple(CardPlace(device=f"gpu{n}", model="M", path=(f"0000:00:0{n}.0", "0000:01:00.0")) for n in (0, 1))
    monkeypatch.setattr(gpuhealth, "open_library", Nvml)
    monkeypatch.setattr(gpuhealth, "read_topology", lambda host, _library: Topology(host=host, cards=places))
    monkeypatch.setattr(gpuhealth, "card_state", state)
    monkeypatch.setattr(gpuhealth, "_LOAD_SECONDS", 0.01)
    found = gpuhealth.examine("worker")
    assert [(card.device, card.root_port, card.sm_clock) for card in found.cards] == [
        ("gpu0", "0000:00:00.0", 1.5e9),
        ("gpu1", "0000:00:01.0", 1.5e9),
    ]
    for card in found.cards:
        assert all((card.to_device, card.to_host, card.copy, card.integers))
        assert all((card.to_device_together, card.to_host_together))
        assert (card.sm_clock_max, card.lanes, card.problem) == (None, None, None)
        assert (card.to_device_port, card.to_host_port) == (None, None)

    shared = tuple(CardPlace(device=f"gpu{n}", model="M", path=("0000:00:01.0", f"0000:0{n}:00.0")) for n in (0, 1))
    monkeypatch.setattr(gpuhealth, "read_topology", lambda host, _library: Topology(host=host, cards=shared))
    assert all(card.to_device_port and card.to_host_port for card in gpuhealth.examine("worker").cards)

    def broken(number: int) -> CupyBoard:
        if number == 0:
            raise MeasureError("gpu0: error 46")
        return CupyBoard(number)

    monkeypatch.setattr(gpuhealth, "CupyBoard", broken)
    first, second = gpuhealth.examine("worker").cards
    assert (first.problem, first.copy) == ("error 46", None)
    assert second.copy
    assert second.to_device_together is None
