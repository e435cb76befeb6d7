"""What is kept of every run beside its records: tags, a note, what it came to, and what it was measured on."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fleet.model.estimate import Estimate
from fleet.model.record import RunSummary
from fleet.model.trial import Goal, Layout, Load
from fleet.model.verdict import Choice

TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
"""What a tag looks like: one word, so that it can be typed in a run's place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstance:
    """Something that a run was measured under, by name, in the operator's words.

    `amount`: it is a figure that is never twice the same; it has changed only where it differs notably.
    """

    name: str
    value: str
    amount: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What one layout gave under one load: the effective Hz of each trial that counts.

    `total`: their cycles together over their seconds together, as every report has it. None in what an older fleet
    kept, whose trials had equal cycles.
    """

    layout: Layout
    load: Load
    rates: tuple[float, ...]
    total: float | None = None

    @property
    def hz(self) -> float:
        """Total cycles over total seconds; of equal cycles that is the harmonic mean."""
        return self.total or len(self.rates) / sum(1 / rate for rate in self.rates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A run's verdict in short."""

    choice: Choice
    confidence: float
    gain: Estimate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """What a finished run came to. Runs are alike where their `terms` are equal: only these may be compared."""

    run: str
    created: float
    inventory: str
    goal: Goal
    current: Layout
    load: Load
    answer: Answer
    terms: tuple[Circumstance, ...]
    figures: tuple[Figure, ...]

    def figure(self, layout: Layout, load: Load) -> Figure | None:
        """What a layout gave; None where it was not measured."""
        return next((one for one in self.figures if (one.layout, one.load) == (layout, load)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEntry:
    """A line of `fleet runs`. `answer` None: the run is not finished, or nobody has looked yet."""

    summary: RunSummary
    tags: tuple[str, ...] = ()
    note: str | None = None
    answer: Answer | None = None
