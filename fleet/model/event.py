"""What happens, as it happens: the live view, the plain log and the incremental store writes all observe these."""

from __future__ import annotations

from fleet.model.estimate import Estimate
from fleet.model.facts import Survey
from fleet.model.frozen import frozen
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


@frozen
class StageStarted:
    """A stage of the road began: lab, survey, provision, cluster, measure, analyse."""

    stage: str
    detail: str = ""


@frozen
class StageFinished:
    """A stage ended well; `detail` is its result in a few words."""

    stage: str
    detail: str = ""


@frozen
class Surveyed:
    """The survey is done."""

    survey: Survey


@frozen
class Planned:
    """The plan is made."""

    plan: Plan


@frozen
class TrialStarted:
    """Trial number `number` (from 1) begins; about `remaining` trials and `seconds` are left after it.

    `seconds`: on the operator's clock, what passes between two trials included; None = no pace is known yet.
    """

    trial: Trial
    number: int
    remaining: int
    seconds: float | None


@frozen
class TrialProgress:
    """`done` of `total` tasks of the running trial are done."""

    trial: str
    done: int
    total: int


@frozen
class TrialFinished:
    """A trial ended, well or not."""

    observation: Observation


@frozen
class Rate:
    """A layout's effective Hz while the run goes on; `gain` over the one in service, None where there is none."""

    layout: Layout
    hz: Estimate
    gain: Estimate | None
    in_service: bool
    emulated: bool


@frozen
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
