"""What a trial's tasks tell about the measuring itself: how late devices were, and what a dispatch cost. Pure."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping

from fleet.model.trial import AgentSpec
from fleet.remote.cluster.agent import Did


class Tally:
    """Adds up answers. Real seconds."""

    def __init__(self) -> None:
        self._overheads: list[float] = []
        self._busy = 0.0
        self._late = 0.0

    def add(self, answer: Did, seconds: float) -> None:
        """An agent's answer, and how long the driver waited for it."""
        self._overheads.append(seconds - answer.seconds)
        self._busy += answer.seconds
        self._late += answer.late

    @property
    def lateness(self) -> float:
        """Of the agents' time, the part by which real arithmetic outlasted the times that were declared."""
        return self._late / self._busy if self._busy else 0.0

    def lines(self) -> tuple[str, ...]:
        """For the observation's log."""
        if not self._overheads:
            return ()
        median, worst = statistics.median(self._overheads), max(self._overheads)
        dispatch = f"dispatch and answer took {median * 1e3:.1f} ms in the median and {worst * 1e3:.1f} ms at most"
        return (f"driver: {len(self._overheads)} tasks, {dispatch}; devices were late by {self.lateness * 100:.1f} %",)


def sharing(mps: Mapping[AgentSpec, bool | None]) -> Iterator[str]:
    """How agents share their cards, for the observation's log; nothing of a lone agent that has its card without MPS.

    `mps`: whether each agent goes through MPS; None: it is on no card.
    """
    cards: defaultdict[str, list[bool]] = defaultdict(list)
    for spec, through in mps.items():
        if through is not None:
            cards[f"{spec.host}/{spec.device}"].append(through)
    for card, agents in sorted(cards.items()):
        if len(agents) == 1 and agents[0]:
            yield f"driver: {card}: 1 agent, by MPS"
        elif len(agents) > 1:
            how = "run side by side by MPS" if all(agents) else "take turns: time slices, no MPS"
            yield f"driver: {card}: {len(agents)} agents {how}"


def changed_sharing(first: Mapping[tuple[str, str], bool], mps: Mapping[AgentSpec, bool | None]) -> str | None:
    """What differs where an agent shares its card otherwise than the `first` one there did; None where none does.

    `first`: whether it went through MPS, by host and device; `mps` as in `sharing`.
    """
    ways = {True: "goes through MPS", False: "goes past MPS"}
    for spec, through in mps.items():
        was = first.get((spec.host, spec.device), through)
        if through is not None and was != through:
            return (
                f"{spec.name} {ways[through]}, the first agent of this run there did not: trials with and without MPS "
                "do not compare; declare `mps: true` or `mps: false` for the device"
            )
    return None
