"""What the benchmark stores: observations of many samples, as an eight-card box sends them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from model_values import observation, run_log

from fleet.model.record import Observation, RunLog
from fleet.model.samples import DeviceSample, HostSample, Telemetry

T = TypeVar("T")
CARDS = 8


def sampled(repeat: int, count: int) -> Observation:
    """The `repeat`-th trial with so many samples: eight cards and their host in turn, ten times a second."""
    samples = tuple(_device(number) if number % (CARDS + 1) else _host(number) for number in range(count))
    return replace(observation(repeat, tasks=200), telemetry=Telemetry(samples=samples))


def _device(number: int) -> DeviceSample:
    tick, card = divmod(number, CARDS + 1)
    return DeviceSample(
        host="box", device=f"gpu{card - 1}", time=1.75e9 + tick / 10, emulated=False, busy=0.97 - tick % 7 / 100,
        memory_used=17_179_869_184 + tick, power=291.5 + tick % 11, temperature=61.0 + tick % 5, sm_clock=1.71e9,
        throttle=0, memory_busy=0.41, power_limit=300.0, memory_clock=7.6e9, pcie_generation=4, pcie_width=16,
        received=1.9e9 + tick, sent=2.1e8, pcie_replays=0,
    )  # fmt: skip


def _host(number: int) -> HostSample:
    return HostSample(
        host="box", time=1.75e9 + number / 90, cpu_busy=0.31, memory_used=2**36 + number, cpu_pressure=0.02,
        runnable=9, received=1e6, sent=2e6,
    )  # fmt: skip


def run_named(name: str, created: float) -> RunLog:
    """A run with nothing in it."""
    return run_log(name, created=created)


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """The seconds that it takes, and what comes of it."""
    began = time.perf_counter()
    done = work()
    return time.perf_counter() - began, done


def spent(work: Callable[[], object], times: int = 3) -> tuple[float, float]:
    """The least seconds of a few by the clock, and the least that this process and its children were at work."""
    clock, cpu = [], []
    for _ in range(times):
        before = os.times()
        clock.append(timed(work)[0])
        after = os.times()
        cpu.append(sum(after[:4]) - sum(before[:4]))
    return min(clock), min(cpu)


def best(work: Callable[[], object], times: int = 3) -> float:
    """The least seconds of a few."""
    return min(timed(work)[0] for _ in range(times))


def row(*cells: str, widths: Iterable[int]) -> str:
    """The cells at their widths, the first at the left."""
    first, *rest = (
        cell.ljust(width) if at == 0 else cell.rjust(width)
        for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  " + "  ".join((first, *rest))
