"""What would happen if: the change that is asked about, what the twin says of it, and how far that can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.model.anatomy import Share
from fleet.model.estimate import Estimate
from fleet.model.trial import Layout

NEW = "new_"
"""How the names of devices and hosts begin that are not there yet; no inventory may name one so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The stored run that a figure was computed from. `time_scale` as in the inventory."""

    run: str
    inventory: str
    emulated: bool
    time_scale: float
    currency: str
    trials: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is to be different from the layout in service.

    `gpus` more (or fewer) devices in the box, `remotes` more (or fewer) remote workers; `po2` and `agents` per device
    None = as they are. `rtt`: seconds of round trip by which remote workers are further away than measured. `poll` and
    `refresh`, seconds: agents ask for work instead of being given it; None for both = as measured.
    """

    gpus: int = 0
    remotes: int = 0
    po2: int | None = None
    agents: int | None = None
    rtt: float = 0.0
    poll: float | None = None
    refresh: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What hardware costs: an amount once and an amount an hour; `missing` names what has no stated price."""

    once: float = 0.0
    hourly: float = 0.0
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Beyond:
    """One way in which a question leaves what was measured, and how many steps (doublings, settings) it leaves it."""

    text: str
    steps: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a layout would give. `gain` over the layout in service; `better`: P(gain > 0).

    `beyond` is empty inside the measured range; `basis` says from what each host's times were taken; `measured`: the
    layout was measured too, as an estimate to compare with.
    """

    layout: Layout
    hz: Estimate
    gain: Estimate
    better: float
    beyond: tuple[Beyond, ...]
    basis: tuple[str, ...]
    measured: Estimate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTime:
    """A job of the twin: its seconds, and where its agents' time went."""

    seconds: float
    share: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Speedup:
    """What it would give to make one part of the pipeline faster: `gains` (0.1 = +10 %), one for each of `CUTS`."""

    part: str
    gains: tuple[float, ...]


CUTS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""The shares of a part's time that a virtual speed-up takes away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One candidate of a search. `best`: P(no other has more Hz); `value`: P(no other that costs gains more per cost).

    `monthly`: what its hardware costs a month, None = a price is missing.
    """

    prediction: Prediction
    change: Change
    bill: Bill
    monthly: float | None
    best: float
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """The answer to a what-if: now, what was asked (None = nothing was), its parts' speed-ups, or a search's ranking.

    `curve_of`: the layout that the speed-ups are about. `searched`: how many candidates the search compared, `left_out`
    what it could not, with the reason. `months`: over which prices paid once are spread.
    """

    source: Source
    current: Layout
    now: Estimate
    before: JobTime
    asked: Prediction | None
    after: JobTime | None
    curve_of: Layout
    curve: tuple[Speedup, ...]
    notes: tuple[str, ...] = ()
    ranking: tuple[Alternative, ...] = ()
    searched: int = 0
    left_out: tuple[str, ...] = ()
    months: float = 24.0
