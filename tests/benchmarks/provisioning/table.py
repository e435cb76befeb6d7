"""What the benchmark prints: seconds, and how fleet compares, beside the goals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from tests.benchmarks.provisioning.contenders import Contender
from tests.benchmarks.provisioning.hosts import ALONE
from tests.benchmarks.provisioning.turns import Turn

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


def right_table(count: int, chosen: Sequence[Contender], turns: Mapping[str, Sequence[Turn]]) -> list[str]:
    """Nothing is to be changed."""
    lines = [
        f"{count} hosts, ten steps and facts, nothing to change",
        f"{'':22}{'median s':>10}{'best s':>9}{'rounds':>8}{'processors s':>14}{'ms a host':>11}   fleet against it",
        f"{'':22}{'':>27}{'here + hosts':>14}{'':>11}",
    ]
    for one in chosen:
        found = turns[one.name]
        if not found:
            lines.append(f"{one.name:22}{'failed':>10}")
            continue
        ours = turns.get(f"fleet{LOADED}" if one.tells else "fleet", ())
        wall, here, there = (median(getattr(turn, name) for turn in found) for name in ("wall", "controller", "hosts"))
        lines.append(
            f"{one.name:22}{wall:10.2f}{min(turn.wall for turn in found):9.2f}{len(found):8}"
            f"{f'{here:.2f} + {there:.2f}':>14}{1e3 * (here + there) / count:11.1f}   {_against(one.name, ours, found)}"
        )
    return lines


def _against(name: str, ours: Sequence[Turn], theirs: Sequence[Turn]) -> str:
    """The median of the rounds' ratios: both of a ratio met the machine in about the same mood."""
    if not ours or name in {"fleet", f"fleet{LOADED}"}:
        return ""
    pairs = list(zip(ours, theirs, strict=False))
    slower = [mine.wall / its.wall for mine, its in pairs]
    work = median(mine.processors / its.processors for mine, its in pairs)
    bound, goal = GOALS.get(name, ("", 0.0))
    if bound == "at most":
        verdict = _verdict(slower, goal, below=True)
        return f"{median(slower):.2f} × its time {_range(slower)} (goal ≤ {goal}: {verdict}), {work:.2f} × its work"
    faster = [1 / ratio for ratio in slower]
    said = f"{median(faster):.1f} times as fast {_range(faster)}"
    if bound == "at least":
        said += f" (goal ≥ {goal:.0f}: {_verdict(faster, goal, below=False)})"
    return f"{said}, {1 / work:.1f} times less work"


def _range(ratios: Sequence[float]) -> str:
    return f"[{min(ratios):.2f} to {max(ratios):.2f}]" if len(ratios) > 1 else "[one turn]"


def _verdict(ratios: Sequence[float], goal: float, *, below: bool) -> str:
    """What holds for the median and for three of four rounds; else nobody can tell."""
    well = [(ratio <= goal) == below for ratio in ratios]
    reached = (median(ratios) <= goal) == below
    if well.count(reached) < MOST * len(well):
        return "the machine is too busy to say"
    return "reached" if reached else "missed"


def first_table(count: int, chosen: Sequence[Contender], turns: Mapping[str, Sequence[Turn]]) -> list[str]:
    """Everything is to be made; of each contender the best turn."""
    lines = [f"{count} hosts, ten steps and facts, first run"]
    if not ALONE:
        lines.append("(not as root, so that the hosts share a home and fleet changes one after the other)")
    best = {name: min(found, key=lambda turn: turn.wall) for name, found in turns.items() if found}
    ours = best.get("fleet")
    for one in chosen:
        if (turn := best.get(one.name)) is None:
            lines.append(f"{one.name:22}{'failed':>10}")
            continue
        ratio = "" if ours is None or turn is ours else f"   fleet is {turn.wall / ours.wall:.1f} times as fast"
        lines.append(f"{one.name:22}{turn.wall:10.2f} s{f'{turn.controller:.2f} + {turn.hosts:.2f}':>32}{ratio}")
    return lines
