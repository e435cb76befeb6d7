"""Emulated devices keep to what they declare: times, turns and memory; and their digests are real."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from prover_usage import read_usage

from fleet.model.inventory import Device, DeviceKind, Emulation
from fleet.remote.prover import cpu
from fleet.remote.prover.device import Proved, ProverDevice
from fleet.remote.prover.factory import open_device
from fleet.remote.prover.memory import OutOfMemory, required_memory
from fleet.remote.prover.state import state_file
from fleet.remote.prover.trace import make_trace

SCALE = 1000.0
CARD = Emulation(cycles_per_second=2**17, overhead=2.0, join=4.0, traffic=100.0)
BUS = 100 * 2.0**18
TRACE = make_trace(1, 0, 8, 8)
EXACT = 1e-9


@dataclass
class Box:
    """A host with emulated cards of one kind."""

    state_dir: Path
    memory: int | None = None
    card: Emulation = CARD
    bus: float | None = BUS
    agents: ExitStack = field(default_factory=ExitStack)

    def agent(self, name: str = "gpu0") -> ProverDevice:
        """One more agent on the card of that name."""
        device = Device(name=name, kind=DeviceKind.EMULATED, model="card", memory=self.memory, emulation=self.card)
        return self.agents.enter_context(
            closing(
                open_device(device, host_bus=self.bus, time_scale=SCALE, state_dir=self.state_dir, core=None, columns=8)
            )
        )


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    """A box whose agents are closed at the end."""
    box = Box(tmp_path)
    with box.agents:
        yield box


def together(*calls: Callable[[], Proved]) -> list[Proved]:
    """Several calls at the same time, each in its thread."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], Proved]) -> Proved:
        start.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


def prove(agent: ProverDevice, po2: int = 20) -> Callable[[], Proved]:
    """A prove of the small trace as a segment of 2^po2 cycles."""
    return lambda: agent.prove(TRACE, po2)


def test_a_prove_takes_exactly_the_declared_time(box: Box) -> None:
    """4 s on the bus, 2 s + 8 s on the card, all divided by the scale; the call lasts at least as long."""
    agent = box.agent()
    agent.warm_up(20)
    begun = time.monotonic()
    proved = agent.prove(TRACE, 20)
    assert time.monotonic() - begun >= proved.seconds
    assert proved.seconds == pytest.approx(14.0 / SCALE + proved.late, abs=EXACT)
    assert proved.transfer_seconds == pytest.approx(4.0 / SCALE, abs=EXACT)
    assert proved.digest == cpu.prove(TRACE, 8)


def test_a_smaller_last_segment_takes_its_share(box: Box) -> None:
    """Traffic and cycles follow the segment's own po2; the overhead stays."""
    proved = box.agent().prove(TRACE, 19)
    assert proved.seconds == pytest.approx((2.0 + 2.0 + 4.0) / SCALE + proved.late, abs=EXACT)


def test_joins_hold_the_card_and_finalize_does_not(box: Box) -> None:
    """A join takes what is declared; finalize, of which nothing is declared, the real time it takes."""
    agent = box.agent()
    agent.warm_up(18)
    digest = cpu.prove(TRACE, 8)
    joined = agent.join(digest, digest)
    assert joined.seconds == pytest.approx(4.0 / SCALE + joined.late, abs=EXACT)
    assert joined.transfer_seconds == 0.0
    final = agent.finalize(joined.digest)
    assert final.digest == cpu.finalize(cpu.join(digest, digest))
    assert final.seconds > 0.0
    assert final.late == 0.0


def test_arithmetic_that_outlasts_the_declared_time_is_reported(box: Box) -> None:
    """A card declared faster than this machine can follow is late, and the task as long as it really was."""
    box.card = Emulation(cycles_per_second=1e15)
    proved = box.agent().prove(TRACE, 20)
    assert proved.late > 0.0
    assert proved.seconds == pytest.approx(proved.late + 2**20 / 1e15 / SCALE, abs=EXACT)


def test_cards_take_turns_on_the_bus(box: Box) -> None:
    """Two cards that only move bytes need twice as long together as one alone."""
    box.card = Emulation(cycles_per_second=1e6, traffic=100.0)
    box.bus = 100 * 2.0**20 / 40
    agents = [box.agent("gpu0"), box.agent("gpu1")]
    for agent in agents:
        agent.warm_up(20)
    proofs = together(*map(prove, agents))
    span = max(p.finished for p in proofs) - min(p.started for p in proofs)
    assert span >= 80.0 / SCALE - EXACT
    assert max(p.transfer_seconds for p in proofs) > 40.0 / SCALE + EXACT
    assert read_usage(state_file(box.state_dir), "gpu0").bus_seconds_total == pytest.approx(80.0 / SCALE)


def test_without_a_bus_limit_nothing_is_transferred(box: Box) -> None:
    """A host that states no bandwidth has a bus that takes no time."""
    box.bus = None
    proved = box.agent().prove(TRACE, 20)
    assert proved.transfer_seconds == 0.0
    assert proved.seconds == pytest.approx(10.0 / SCALE + proved.late, abs=EXACT)


def test_agents_of_one_card_take_turns_computing(box: Box) -> None:
    """Two agents on one card take twice its time, and the card was busy all the while."""
    box.bus = None
    agents = [box.agent(), box.agent()]
    for agent in agents:
        agent.warm_up(20)
    proofs = together(*map(prove, agents))
    span = max(p.finished for p in proofs) - min(p.started for p in proofs)
    assert span >= 20.0 / SCALE - EXACT
    assert read_usage(state_file(box.state_dir), "gpu0").busy_seconds_total == pytest.approx(20.0 / SCALE)


def test_cards_compute_side_by_side(box: Box) -> None:
    """Without a bus limit each of two cards takes its own time only."""
    box.bus = None
    agents = [box.agent("gpu0"), box.agent("gpu1")]
    for agent in agents:
        agent.warm_up(20)
    for proved in together(*map(prove, agents)):
        assert proved.seconds == pytest.approx(10.0 / SCALE + proved.late, abs=EXACT)


def test_one_agent_s_transfer_overlaps_the_other_s_compute(box: Box) -> None:
    """Two agents on one card: the second's bytes move while the first computes, so its turn follows at once."""
    first, second = box.agent(), box.agent()
    for agent in (first, second):
        agent.warm_up(20)
    proofs = together(prove(first), prove(second))
    one, two = sorted(proofs, key=lambda proved: proved.finished)
    assert two.finished - two.started < 2 * 14.0 / SCALE + two.late + one.late


def test_a_segment_too_large_for_the_card_is_out_of_memory(box: Box) -> None:
    """16 GiB hold po2 20 and not 21, whether told at warm-up or with the segment."""
    box.memory = 16 * 2**30
    agent = box.agent()
    agent.warm_up(20)
    with pytest.raises(OutOfMemory, match="OutOfMemory"):
        agent.prove(TRACE, 21)
    assert agent.prove(TRACE, 20).digest == cpu.prove(TRACE, 8)
    with pytest.raises(OutOfMemory, match=r"gpu1: 16\.3 GiB wanted, 16\.0 GiB free"):
        box.agent("gpu1").warm_up(21)


def test_two_agents_need_twice_the_memory(box: Box) -> None:
    """Two of po2 20 do not fit a 16 GiB card together, two of po2 19 do, and other cards do not count."""
    box.memory = 16 * 2**30
    first, second = box.agent(), box.agent()
    first.warm_up(20)
    box.agent("gpu1").warm_up(20)
    with pytest.raises(OutOfMemory):
        second.warm_up(20)
    first.close()
    third = box.agent()
    third.warm_up(19)
    second.warm_up(19)
    assert read_usage(state_file(box.state_dir), "gpu0").memory_used == required_memory(19, agents=2)


def test_fetching_the_trace_lies_within_the_declared_transfer(box: Box) -> None:
    """A task that came 2 ms before its trace was there ends when it would have ended with the trace at hand."""
    agent = box.agent()
    agent.warm_up(18)
    arrival = time.monotonic() - 2e-3
    proved = agent.prove(TRACE, 18, arrival)
    assert proved.started == arrival
    assert proved.seconds - proved.late == pytest.approx((2.0 + 2.0 + 1.0) / SCALE, abs=EXACT)
