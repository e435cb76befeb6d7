"""What happens, as it happens: the live view, the plain log and the incremental store writes all observe these."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.model.estimate import Estimate
from fleet.model.facts import Survey
from fleet.model.hostevent import HostFailed, Note, StepDone
from fleet.model.record import Observation
from fleet.model.trial import Layout, Plan, Trial

__all__ = [
    "Estimated",
    "Event",
    "HostFailed",
    "Note",
    "Planned",
    "Rate",
    "StageFinished",
    "StageStarted",
    "StepDone",
    "Surveyed",
    "TrialFinished",
    "TrialProgress",
    "TrialStarted",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStarted:
    """A stage of the road began: lab, survey, provision, cluster, measure, analyse."""

    stage: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFinished:
    """A stage ended well; `detail` is its result in a few words."""

    stage: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed:
    """The survey is done."""

    survey: Survey


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The plan is made."""

    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialStarted:
    """Trial number `number` (from 1) begins; about `remaining` trials and `seconds` are left after it.

    `seconds`: on the operator's clock, what passes between two trials included; None = no pace is known yet.
    """

    trial: Trial
    number: int
    remaining: int
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialProgress:
    """`done` of `total` tasks of the running trial are done."""

    trial: str
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFinished:
    """A trial ended, well or not."""

    observation: Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A layout's effective Hz while the run goes on; `gain` over the one in service, None where there is none."""

    layout: Layout
    hz: Estimate
    gain: Estimate | None
    in_service: bool
    emulated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimated:
    """What the layouts give, by all that was measured so far; the fastest first. It follows the end of a trial."""

    rates: tuple[Rate, ...]


Event = (
    StageStarted
    | StageFinished
    | HostFailed
    | Surveyed
    | Planned
    | StepDone
    | TrialStarted
    | TrialProgress
    | TrialFinished
    | Estimated
    | Note
)
