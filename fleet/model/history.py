"""What an existing cluster's own records say: where they were read, the jobs of the past, what they add up to.

Times of a job are seconds on the clock of whoever wrote the records.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from fleet.model.anatomy import Decomposition
from fleet.model.estimate import Estimate
from fleet.model.record import JobRecord
from fleet.model.verdict import Refusal, Verdict


class Plane(StrEnum):
    """How a cluster's agents learn of work.

    TRIGGERS: they poll, and counters that the database keeps are always right. LOOKED: they poll, and look for ready
    tasks themselves. GATED: they poll, and see only what counters say that are refreshed every so often. PUSH: work is
    announced. UNKNOWN: the records came without the functions that tell.
    """

    TRIGGERS = "triggers"
    LOOKED = "looked"
    GATED = "gated"
    PUSH = "push"
    UNKNOWN = "unknown"


PLANES = {
    Plane.TRIGGERS: "agents poll; counters kept by triggers",
    Plane.LOOKED: "agents poll and look for ready tasks themselves",
    Plane.GATED: "agents poll; counters refreshed every so often",
    Plane.PUSH: "work is announced to agents",
    Plane.UNKNOWN: "how agents learn of work is not known: the database's functions are not there",
}
"""In the operator's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """Which of the stacks wrote the records, and how it hands out work.

    `oldest_job_first`: tasks of an older job go before those of a younger one.
    """

    stack: str
    plane: Plane
    oldest_job_first: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Where jobs of the past were read. `place` names it without a password.

    `offset`: by how many seconds its clock is ahead of ours, give or take `uncertainty`. `read`: when, by its clock
    (Unix seconds). `leftover`: tasks of jobs not done that were ready or running then; `future`: seconds by which its
    newest record lies ahead of its own clock; `vanished`: jobs that a cleaner took away while they were read. `haste`:
    emulated seconds per real second where a lab's devices proved, in whose seconds the jobs are; None = real ones did,
    or nobody could tell.
    """

    place: str
    server: str
    generation: Generation
    offset: float
    uncertainty: float
    read: float
    leftover: int = 0
    future: float = 0.0
    vanished: int = 0
    haste: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastJob:
    """One job of the past, by its own records. `started` and `ended` are Unix seconds of the archive's clock.

    `hz` has every digit that the operator's own script prints; None without cycles or time. `record` None: it has more
    tasks than are looked at one by one. `company`: jobs whose tasks lay within its span. `tasks`: by kind, how many
    and their seconds together. `timeouts`: retried tasks that ran as long as their time limit. `queues`: the streams
    that its tasks were handed out by, for each kind. `agents`: the most that were at work on it at once.
    """

    id: str
    state: str
    error: str | None
    started: float | None
    ended: float | None
    cycles: int | None
    segments: int | None
    hz: Decimal | None
    tasks: tuple[tuple[str, int, float], ...]
    record: JobRecord | None
    retried: int = 0
    unfinished: int = 0
    timeouts: int = 0
    company: tuple[str, ...] = ()
    queues: tuple[tuple[str, str], ...] = ()
    agents: int = 0

    @property
    def po2(self) -> int | None:
        """The segment size: all segments but the last are full, so their mean is above half of it."""
        if not self.cycles or not self.segments:
            return None
        return max(0, -(-self.cycles // self.segments) - 1).bit_length()

    @property
    def seconds(self) -> float | None:
        """From the first start to the last end."""
        return None if self.started is None or self.ended is None else self.ended - self.started


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """How agents ask for work, in seconds; `…_stated`: by the operator, else read off the records.

    Where neither tells: as the cluster's own files have it by now (`poll_set`, `refresh_set`; None = nobody looked),
    else as the stack is shipped. `agents`: how many prove; None = as many as were seen at work at once. `refreshers`:
    aux agents, each of which refreshes the counters and finalizes.
    """

    poll: float = 1.0
    refresh: float = 5.0
    poll_stated: bool = False
    refresh_stated: bool = False
    poll_set: float | None = None
    refresh_set: float | None = None
    agents: int | None = None
    refreshers: int = 2

    @property
    def stated(self) -> bool:
        """Whether the operator named both."""
        return self.poll_stated and self.refresh_stated


@dataclass(frozen=True, slots=True, kw_only=True)
class Timers:
    """What the records of so many jobs tell of their timers, in seconds; None where they do not tell."""

    jobs: int
    poll: Estimate | None = None
    refresh: Estimate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """One thing to change, replayed over the judged jobs. `better`: P(at least +5 %); `bound`: it is an upper bound."""

    change: str
    settings: tuple[str, ...]
    gain: Estimate
    better: float
    bound: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What the jobs of the past add up to.

    `refusals`: by job id, why it counts for nothing. `po2`: the segment size of the jobs that every figure is of, the
    one that most have. `hz`: theirs.
    `missed`: by what share the replay of the settings as they are misses the time that the jobs took, of which `luck`
    is the standard deviation that phases of timers alone give; None = nothing was replayed. `workers`: agents at
    work at once, the most that were seen or as stated. `timers`: what the jobs' own records tell of them; None where
    agents do not poll. `knobs` has what was replayed.
    """

    archive: Archive
    knobs: Knobs
    jobs: tuple[PastJob, ...]
    refusals: tuple[tuple[str, Refusal], ...]
    workers: int
    verdict: Verdict
    po2: int | None = None
    hz: Estimate | None = None
    decomposition: Decomposition | None = None
    missed: float | None = None
    luck: float | None = None
    timers: Timers | None = None
    replayed: tuple[Replayed, ...] = ()
    notes: tuple[str, ...] = ()

    def refusal(self, job: str) -> Refusal | None:
        """Why a job counts for nothing; None where it counts."""
        return next((refusal for name, refusal in self.refusals if name == job), None)

    def counts(self, job: PastJob) -> bool:
        """Whether the figures are of this job, too."""
        return job.po2 == self.po2 and self.refusal(job.id) is None
