"""Settings that measurements recommend for a Bento cluster, each with what it gives and how that is known."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fleet.model.capacity import Peak
from fleet.model.estimate import Estimate
from fleet.model.trial import Layout


class Knob(StrEnum):
    """What can be set, by its name in the stack's environment; agents are services of the compose file."""

    SEGMENT_SIZE = "SEGMENT_SIZE"
    AGENTS = "agents per GPU"
    POLL = "POLL_TIME"
    REFRESH = "STREAM_REFRESH_INTERVAL"
    PROVE_TIMEOUT = "PROVE_TIMEOUT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to do with one knob. `value` None: nothing is recommended, and `evidence` says why not.

    `value` like `now`: it is right as it is. `gain`: over the settings in service, None where nothing can be said;
    `replayed`: it was computed from records of the past, not measured. `together`: the knobs whose gain it shares.
    """

    knob: Knob
    now: str | None
    value: str | None
    evidence: tuple[str, ...]
    gain: Estimate | None = None
    replayed: bool = False
    together: tuple[Knob, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether it is to be set anew."""
        return self.value is not None and self.value != self.now


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that is recommended, from the `sources` named. `peak`: what the broker may promise, None = nothing counts.

    `layout`: the agents and segment size in words of the layout that was measured best, None = no run says.
    """

    sources: tuple[str, ...]
    advice: tuple[Advice, ...]
    peak: Peak | None
    layout: Layout | None
    emulated: bool
    notes: tuple[str, ...] = ()

    def of(self, knob: Knob) -> Advice | None:
        """What is said of a knob."""
        return next((one for one in self.advice if one.knob is knob), None)

    @property
    def changed(self) -> tuple[Advice, ...]:
        """What is to be set anew."""
        return tuple(one for one in self.advice if one.changes)
