"""What was measured: tasks, jobs, observations, and the run log that is the only input of analysis.

Task times are seconds on the driver's clock since the trial's start (emulated seconds where devices are emulated).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from fleet.model.facts import Survey
from fleet.model.inventory import Inventory
from fleet.model.samples import Telemetry
from fleet.model.trial import Plan, Trial


class TaskKind(StrEnum):
    """The kinds of task of a proving job.

    Only Bento's jobs have the last three: a Keccak proof, the union of two, and what compresses a finished proof.
    """

    EXECUTE = "execute"
    PROVE = "prove"
    JOIN = "join"
    RESOLVE = "resolve"
    FINALIZE = "finalize"
    KECCAK = "keccak"
    UNION = "union"
    SNARK = "snark"


class TaskState(StrEnum):
    """How far a task is."""

    PENDING = "pending"
    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """One task. `created`: known to the scheduler; `started`: claimed by an agent; `updated`: finished.

    `transfer`: seconds of the task spent moving bytes over the host's bus, waiting for a turn included; None = not
    known. `away`: seconds of it for which its agent did not have it yet or had answered already: its way there and
    back; None = not known. `agent` is `AgentSpec.name`, None where the task ran on the head's executor or the source
    does not tell.
    """

    id: str
    kind: TaskKind
    state: TaskState
    prerequisites: tuple[str, ...]
    created: float
    started: float | None
    updated: float | None
    agent: str | None = None
    host: str | None = None
    retries: int = 0
    transfer: float | None = None
    away: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """One job with all its tasks. `total_cycles` is padded per segment, as the `init` task reports it."""

    id: str
    state: TaskState
    segments: int
    user_cycles: int
    total_cycles: int
    tasks: tuple[TaskRecord, ...]
    digest: str | None = None
    error: str | None = None


class Outcome(StrEnum):
    """How a trial ended. OK ⇒ every job is done and so is every task of it."""

    OK = "ok"
    OUT_OF_MEMORY = "out_of_memory"
    FAILED = "failed"
    TIMEOUT = "timeout"
    CONTAMINATED = "contaminated"
    HOST_LOST = "host_lost"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One trial as it went. `started` is Unix time, `elapsed` real seconds; `log` the end of the agents' log.

    `cold`: agents that were not warm when it began; `restarted`: agents that ended and came back in it; `running`: what
    ought to have been stopped and was not; `unclocked`: hosts whose clock was never set against the others'.
    """

    trial: Trial
    outcome: Outcome
    started: float
    elapsed: float
    emulated: bool
    jobs: tuple[JobRecord, ...] = ()
    cause: str | None = None
    lost: tuple[str, ...] = ()
    log: tuple[str, ...] = ()
    telemetry: Telemetry = field(default_factory=Telemetry)
    cold: tuple[str, ...] = ()
    restarted: tuple[str, ...] = ()
    running: tuple[str, ...] = ()
    unclocked: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """OK without finished jobs is a contradiction that must not be built."""
        if self.outcome is Outcome.OK and not (
            self.jobs
            and all(
                job.state is TaskState.DONE and all(task.state is TaskState.DONE for task in job.tasks)
                for job in self.jobs
            )
        ):
            raise ValueError("an OK observation needs jobs whose every task is done")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLog:
    """One run, whole: what was there, what was planned, what was seen. `created` is Unix time.

    `running`: a process was at it when it was read from its store, which keeps nothing of that.
    """

    id: str
    created: float
    version: str
    inventory: Inventory
    survey: Survey
    plan: Plan
    observations: tuple[Observation, ...] = ()
    finished: bool = False
    running: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """A line of `fleet runs`. `running`: it is not finished, and a process is at it."""

    id: str
    created: float
    inventory: str
    emulated: bool
    observations: int
    finished: bool
    running: bool = False
