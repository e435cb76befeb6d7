"""CPU seconds of one tick of a rival at ten ticks a second, in real time, as rivals keep some answers for a second.

Run by an interpreter of its own, with the rival's name: `nvitop` (its collector), or `lines` (a program that stays,
asks by pynvml and prints a line of values a card, as nvidia-smi --loop-ms does). Exit status 3: it is not installed.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable
from typing import Any

INTERVAL = 0.1
CLOCKS = (1, 2)


def nvitop() -> Callable[[], object]:
    """Its collector of hosts' and cards' metrics."""
    collector: Any = importlib.import_module("nvitop").ResourceMetricCollector(interval=INTERVAL)
    collector.activate(tag="bench")
    collector.collect()

    def tick() -> object:
        collector.take_snapshots()
        return collector.collect()

    return tick


def lines() -> Callable[[], object]:
    """What `nvidia-smi --query-gpu=… --format=csv --loop-ms=100` is asked for most."""
    nvml: Any = importlib.import_module("pynvml")
    nvml.nvmlInit()
    cards = [nvml.nvmlDeviceGetHandleByIndex(number) for number in range(nvml.nvmlDeviceGetCount())]

    def tick() -> object:
        for card in cards:
            busy, memory = nvml.nvmlDeviceGetUtilizationRates(card), nvml.nvmlDeviceGetMemoryInfo(card)
            found = [
                time.time(), busy.gpu, busy.memory, memory.used, nvml.nvmlDeviceGetPowerUsage(card),
                nvml.nvmlDeviceGetTemperature(card, 0), *(nvml.nvmlDeviceGetClockInfo(card, kind) for kind in CLOCKS),
                nvml.nvmlDeviceGetCurrPcieLinkGeneration(card), nvml.nvmlDeviceGetCurrPcieLinkWidth(card),
                nvml.nvmlDeviceGetCurrentClocksEventReasons(card),
            ]  # fmt: skip
            sys.stderr.write(", ".join(map(str, found)) + "\n")
        return None

    return tick


def main(name: str, ticks: int) -> int:
    """Measure one of them."""
    try:
        tick = {"nvitop": nvitop, "lines": lines}[name]()
    except ImportError:
        return 3
    tick()
    begun, due = time.process_time(), time.monotonic()
    for _ in range(ticks):
        tick()
        due += INTERVAL
        time.sleep(max(0.0, due - time.monotonic()))
    sys.stdout.write(f"{(time.process_time() - begun) / ticks}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
