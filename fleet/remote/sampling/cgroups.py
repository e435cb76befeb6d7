"""What the kernel's control groups tell of the group that agents run in: its CPU quota, and its pressure (PSI).

The quota is told by version 1 and 2, the pressure of a group by version 2 only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_V2 = "0"
_COUNTS = re.compile(r"^(nr_periods|nr_throttled) ([0-9]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttling:
    """Periods of the CPU scheduler since the group was made: all, and those in which its quota was used up."""

    periods: int
    throttled: int


def cpu_stat_file(membership: str, root: Path = Path("/sys/fs/cgroup")) -> Path | None:
    """Where the group keeps its cpu.stat; `membership` is the text of /proc/self/cgroup. None: it is nowhere.

    Within a container the path is often the outer one, while the mount shows the inner group at its root.
    """
    for place in _places(membership, root):
        if (place / "cpu.stat").is_file():
            return place / "cpu.stat"
    return None


def pressure_files(membership: str, root: Path = Path("/sys/fs/cgroup")) -> tuple[Path, Path] | None:
    """The group's cpu.pressure and memory.pressure; None where it is of version 1, or the kernel keeps none."""
    unified = "".join(f"{line}\n" for line in membership.splitlines() if line.startswith(f"{_V2}::"))
    for place in _places(unified, root):
        found = place / "cpu.pressure", place / "memory.pressure"
        if all(path.is_file() for path in found):
            return found
    return None


def _places(membership: str, root: Path) -> Iterator[Path]:
    """Folders that may be the group's, the surest first."""
    for line in membership.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        inner = path.lstrip("/")
        if number == _V2 and not controllers:
            bases = [root, root / "unified"]
        elif "cpu" in controllers.split(","):
            bases = [root / controllers, root / "cpu"]
        else:
            continue
        yield from (base / inner for base in bases)
        yield from bases


def parse_cpu_stat(text: str) -> Throttling | None:
    """cpu.stat of either version; None where the group has no CPU controller (then nothing limits it)."""
    counts = dict(_COUNTS.findall(text))
    if len(counts) < 2:  # noqa: PLR2004 (both)
        return None
    return Throttling(periods=int(counts["nr_periods"]), throttled=int(counts["nr_throttled"]))


def throttled_share(before: Throttling | None, after: Throttling | None) -> float | None:
    """Of the periods between two readings, the part in which the group was held back; none passed: it has no quota."""
    if before is None or after is None or after.periods <= before.periods:
        return None
    return min(1.0, max(0.0, (after.throttled - before.throttled) / (after.periods - before.periods)))
