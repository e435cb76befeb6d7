"""Foreign worlds: the planted clusters with one thing that breaks what fleet takes for granted.

`home` is the world of `clusters`. In the others each cluster is the same but for one change; what is right, and what a
perfect measurement would show, is worked out anew. What comes and goes from trial to trial (noise, drift, a cold
start) is no part of the truth: a decision is about the machine as it is on an ordinary day.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from itertools import accumulate
from typing import Protocol

from planted_job import SEGMENT_BYTES, Background, Truth

from fleet.model.inventory import Device

HOME = "home"
TRIALS = 40
"""As many as a campaign may have, and some more."""


class Draft(Protocol):
    """What a world may change of a cluster in the making."""

    cards: list[Device]
    worker: list[Device]
    truth: Truth


World = Callable[[Draft, random.Random], None]


def _home(_: Draft, __: random.Random) -> None:
    """Nothing is different."""


def _tails(draft: Draft, chance: random.Random) -> None:
    """The luck of trials has the same variance, but heavy tails: Student's t with three degrees of freedom."""
    scale = draft.truth.trial_noise / math.sqrt(3)
    lucks = (chance.gauss(0, 1) / math.sqrt(chance.gammavariate(1.5, 2) / 3) for _ in range(TRIALS))
    _tempo(draft, [math.exp(scale * luck) for luck in lucks])


def _stragglers(draft: Draft, chance: random.Random) -> None:
    """One trial in twenty takes 20 % longer, and no gate sees why."""
    straggling = [1.2 if chance.random() < 1 / 20 else 1.0 for _ in range(TRIALS)]
    draft.truth = replace(draft.truth, tempo=tuple(straggling))


def _drift(draft: Draft, chance: random.Random) -> None:
    """The machine grows hot: 3 to 5 % slower after twelve trials, in a straight line."""
    most = chance.uniform(0.03, 0.05)
    draft.truth = replace(draft.truth, tempo=tuple(1 + most * number / 12 for number in range(13)))


def _cold(draft: Draft, _: random.Random) -> None:
    """The first trials, the warm-up among them, take 5 % longer."""
    draft.truth = replace(draft.truth, tempo=(1.05, 1.05, 1.05, 1.0))


def _moody(draft: Draft, chance: random.Random) -> None:
    """The luck of trials comes in streaks: each trial's is 0.7 of the last one's and some of its own."""
    noise = draft.truth.trial_noise
    own = [chance.gauss(0, noise), *(chance.gauss(0, noise * math.sqrt(1 - 0.7**2)) for _ in range(TRIALS))]
    _tempo(draft, [math.exp(luck) for luck in accumulate(own, lambda before, new: 0.7 * before + new)])


def _tempo(draft: Draft, factors: list[float]) -> None:
    """These factors, in the place of the luck that every trial has."""
    draft.truth = replace(draft.truth, trial_noise=0.0, tempo=tuple(factors))


def _slow_card(draft: Draft, chance: random.Random) -> None:
    """One card of the box, any one, is 8 % slower than the others of its model."""
    number = chance.randrange(len(draft.cards))
    slow = draft.cards[number]
    assert slow.emulation is not None
    emulation = replace(
        slow.emulation,
        cycles_per_second=slow.emulation.cycles_per_second / 1.08,
        overhead=slow.emulation.overhead * 1.08,
        join=slow.emulation.join * 1.08,
    )
    draft.cards[number] = replace(slow, emulation=emulation)


def _background(draft: Draft, chance: random.Random) -> None:
    """The box has a job of its own: for a fifth of every 20 to 120 s all that its cards compute takes 1.3 times."""
    period = chance.uniform(20, 120)
    background = Background(host="box", period=period, busy=period / 5, stretch=1.3)
    draft.truth = replace(draft.truth, background=background)


def _uneven(draft: Draft, _: random.Random) -> None:
    """Service times are log-normal with a coefficient of variation of 0.3."""
    draft.truth = replace(draft.truth, task_noise=math.sqrt(math.log(1 + 0.3**2)))


def _lifts(draft: Draft, _: random.Random) -> None:
    """Every join is two tasks, one after the other: the graph is not the one that planning expects."""
    draft.truth = replace(draft.truth, lifts=True)


def _thin_line(draft: Draft, chance: random.Random) -> None:
    """Segments for all remote cards come over one line, and take 0.3 to 1.5 times as long as proving them."""
    emulation = draft.worker[0].emulation
    assert emulation is not None
    seconds = chance.uniform(0.3, 1.5) * (emulation.overhead + 2**20 / emulation.cycles_per_second)
    draft.truth = replace(draft.truth, uplink=SEGMENT_BYTES * 2**20 / seconds)


WORLDS: dict[str, World] = {
    HOME: _home,
    "tails": _tails,
    "stragglers": _stragglers,
    "drift": _drift,
    "cold": _cold,
    "moody": _moody,
    "slow card": _slow_card,
    "background": _background,
    "uneven": _uneven,
    "lifts": _lifts,
    "thin line": _thin_line,
}
