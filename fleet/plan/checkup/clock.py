"""PURE. How far a host's clock is from ours: Cristian's algorithm over a few round trips (Cristian, 1989)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from fleet.model.facts import ClockOffset
from fleet.plan.shell.quoting import path

_READING = re.compile(r"([0-9]{9,11})(\.[0-9]{1,9})?\Z")
_PYTHON = "import time; print(time.time())"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSample:
    """One round trip: our clock before and after it, and what the host's clock said between, in Unix seconds.

    `resolution`: how coarse the host's reading is, 1.0 where it tells whole seconds only.
    """

    sent: float
    received: float
    told: float
    resolution: float = 0.0


def clock_function(python: str, nonce: str) -> str:
    """One line that defines the shell function `clock`, which prints the nonce and the host's time.

    busybox and BSD have no `date +%N`: then `python` tells, and where there is none, whole seconds must do.
    """
    return (
        "clock() { t=$(date +%s.%N); "
        f"case $t in *[!0-9.]*|*.) t=$({path(python)} -c {shlex.quote(_PYTHON)} 2>/dev/null) || t=$(date +%s) ;; esac; "
        f'echo "{nonce} $t"; }}'
    )


def read_clock(line: str, nonce: str, sent: float, received: float) -> ClockSample | None:
    """The sample that a line of `clock` makes; None where it tells no time."""
    said, _, reading = line.strip().partition(" ")
    found = _READING.match(reading) if said == nonce else None
    if found is None:
        return None
    return ClockSample(sent=sent, received=received, told=float(found[0]), resolution=0.0 if found[2] else 1.0)


def offset(host: str, samples: Sequence[ClockSample]) -> ClockOffset:
    """Host clock minus ours from the quickest round trip; the truth lies within `error`. ValueError without samples."""
    best = min(samples, key=lambda sample: sample.received - sample.sent + sample.resolution)
    told = best.told + best.resolution / 2
    return ClockOffset(
        host=host,
        offset=told - (best.sent + best.received) / 2,
        error=(best.received - best.sent + best.resolution) / 2,
    )
