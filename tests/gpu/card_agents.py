"""Agents on one card, each a process with a context of its own, as in the fleet; started together, counted together."""

from __future__ import annotations

import multiprocessing
import time
from contextlib import closing
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy_prover

from fleet.remote.prover.cuda import CudaDevice, open_card
from fleet.remote.prover.state import AgentSeat, state_file

_PATIENCE = 300.0


def segments_per_second(agents: int, po2: int, columns: int, seconds: float, state_dir: Path) -> float:
    """Segments of 2^po2 cycles that so many agents prove on the first card, all together. RuntimeError if one fails."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(agents)
    results = context.SimpleQueue()
    processes = [
        context.Process(target=_agent, args=(po2, columns, seconds, state_dir, start, results)) for _ in range(agents)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(_PATIENCE)
        if process.exitcode != 0:
            raise RuntimeError(f"an agent of {agents} ended with {process.exitcode}")
    return float(sum(results.get() for _ in processes))


def _agent(
    po2: int,
    columns: int,
    seconds: float,
    state_dir: Path,
    start: Barrier,
    results: SimpleQueue[float],
) -> None:
    trace = numpy_prover.trace(1, 0, po2, columns)
    seat = AgentSeat(state_file(state_dir), "gpu0")
    with closing(CudaDevice(open_card("gpu0"), memory=None, columns=columns, seat=seat)) as device:
        device.prove(trace, po2)
        start.wait(_PATIENCE)
        results.put(steady(device, [trace], po2, seconds))


def steady(device: CudaDevice, traces: list[bytes], po2: int, seconds: float) -> float:
    """Segments per second in the steady state, two under way."""
    device.begin(traces[0], po2)
    began, done = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        device.begin(traces[done % len(traces)], po2)
        device.finish()
        done += 1
    rate = done / (time.monotonic() - began)
    device.finish()
    return rate
