"""What the benchmark prints: seconds, and how fleet compares, beside the goals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from tests.benchmarks.provisioning.contenders import Contender

GOALS = {
    "bare paramiko (loaded)": ("at most", 1.3),
    "bare paramiko": ("at most", 1.3),
    "Ansible": ("at least", 40.0),
    "pyinfra": ("at least", 10.0),
}
MOST = 0.75
"""The part of the rounds that must agree with their median."""
LOADED = " (loaded)"
"""Programs that do not count the seconds in which Python loads their modules: compared with one another."""


def right_table(count: int, chosen: Sequence[Contender], seconds: Mapping[str, Sequence[float]]) -> list[str]:
    """Nothing is to be changed."""
    lines = [
        f"{count} hosts, ten steps and facts, nothing to change",
        f"{'':22}{'median s':>10}{'best s':>9}{'rounds':>8}   fleet against it",
    ]
    for one in chosen:
        found = seconds[one.name]
        ours = seconds.get(f"fleet{LOADED}" if one.tells else "fleet", ())
        against = _against(one.name, ours, found) if ours else ""
        lines.append(f"{one.name:22}{median(found):10.2f}{min(found):9.2f}{len(found):8}   {against}")
    return lines


def _against(name: str, ours: Sequence[float], theirs: Sequence[float]) -> str:
    """The median of the rounds' ratios: both of a ratio met the machine in about the same mood."""
    if name in {"fleet", f"fleet{LOADED}"}:
        return ""
    pairs = list(zip(ours, theirs, strict=False))
    slower = [mine / its for mine, its in pairs]
    bound, goal = GOALS.get(name, ("", 0.0))
    if bound == "at most":
        return f"{median(slower):.2f} × its time {_range(slower)} (goal ≤ {goal}: {_verdict(slower, goal, below=True)})"
    faster = [its / mine for mine, its in pairs]
    if bound == "at least":
        verdict = _verdict(faster, goal, below=False)
        return f"{median(faster):.1f} times as fast {_range(faster)} (goal ≥ {goal:.0f}: {verdict})"
    return f"{median(faster):.2f} times as fast"


def _range(ratios: Sequence[float]) -> str:
    return f"[{min(ratios):.2f} to {max(ratios):.2f}]" if len(ratios) > 1 else "[one turn]"


def _verdict(ratios: Sequence[float], goal: float, *, below: bool) -> str:
    """What holds for the median and for three of four rounds; else nobody can tell."""
    well = [(ratio <= goal) == below for ratio in ratios]
    reached = (median(ratios) <= goal) == below
    if well.count(reached) < MOST * len(well):
        return "the machine is too busy to say"
    return "reached" if reached else "missed"


def first_table(count: int, seconds: Sequence[tuple[Contender, Sequence[float]]]) -> list[str]:
    """Everything is to be made."""
    ours = next((min(found) for one, found in seconds if one.name == "fleet"), None)
    lines = [f"{count} hosts, ten steps and facts, first run"]
    for one, found in ((one, found) for one, found in seconds if not one.tells):
        ratio = "" if ours is None or one.name == "fleet" else f"   fleet is {min(found) / ours:.1f} times as fast"
        lines.append(f"{one.name:22}{min(found):10.2f} s{ratio}")
    return lines
