"""Arithmetic on records that deciding and analysing share: what counts, effective Hz, which tasks agents run.

The rule of the guide: effective Hz = total cycles of the job ÷ (last `updated` − first `started` over its tasks), and
it is true only of a job that completed without errors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from fleet.model import conditions
from fleet.model.record import JobRecord, Observation, Outcome, TaskKind, TaskRecord, TaskState
from fleet.model.trial import Experiment, Layout

AGENT_KINDS = frozenset({TaskKind.PROVE, TaskKind.JOIN, TaskKind.RESOLVE, TaskKind.KECCAK, TaskKind.UNION})
"""What agents run wherever it runs; execute and finalize are theirs only where a record names the agent."""

UNMEASURED = frozenset({Experiment.WARMUP, Experiment.CEILING})
"""Experiments whose short loads say what is possible, not how fast it is."""


def by_agent(task: TaskRecord) -> bool:
    """Whether an agent's time went into this task."""
    return task.kind in AGENT_KINDS or task.agent is not None


def tasks_of(observation: Observation) -> tuple[TaskRecord, ...]:
    """The tasks of all its jobs."""
    return tuple(task for job in observation.jobs for task in job.tasks)


def span(tasks: Iterable[TaskRecord]) -> tuple[float, float]:
    """First `started` and last `updated`, in seconds. ValueError where no task has both."""
    times = [(t.started, t.updated) for t in tasks if t.started is not None and t.updated is not None]
    if not times:
        raise ValueError("no task has started and finished")
    return min(start for start, _ in times), max(end for _, end in times)


def job_seconds(jobs: Sequence[JobRecord]) -> float:
    """From the first start to the last end over the tasks of jobs submitted together."""
    start, end = span(task for job in jobs for task in job.tasks)
    return end - start


def job_cycles(jobs: Sequence[JobRecord]) -> int:
    """The padded cycles of jobs submitted together."""
    return sum(job.total_cycles for job in jobs)


def effective_hz(jobs: Sequence[JobRecord]) -> float:
    """Cycles per second of jobs submitted together: totals over totals."""
    return job_cycles(jobs) / job_seconds(jobs)


def flaw(observation: Observation) -> str | None:
    """Why it may not become a number, as a stable code of the validity gate; None = it counts."""
    if observation.outcome is not Outcome.OK:
        return observation.outcome.value
    return next((code for code, breaks in FLAWS if breaks(observation)), None)


def _mistimed(observation: Observation) -> bool:
    for task in tasks_of(observation):
        if task.started is None or task.updated is None:
            return True
        if not (math.isfinite(task.created) and -math.inf < task.started <= task.updated < math.inf):
            return True
    return job_cycles(observation.jobs) <= 0 or job_seconds(observation.jobs) <= 0


FLAWS: tuple[tuple[str, Callable[[Observation], bool]], ...] = (
    (Outcome.HOST_LOST.value, lambda seen: bool(seen.lost)),
    ("unfinished", lambda seen: any(task.state is not TaskState.DONE for task in tasks_of(seen))),
    ("retried", lambda seen: any(task.retries > 0 for task in tasks_of(seen))),
    ("bad_times", _mistimed),
    ("jobs_missing", lambda seen: len(seen.jobs) < seen.trial.load.jobs),
    ("agent_restarted", lambda seen: bool(seen.restarted)),
    ("not_warm", lambda seen: bool(seen.cold)),
    ("still_running", lambda seen: bool(seen.running)),
    ("clock_unknown", lambda seen: bool(seen.unclocked)),
    ("card_lost", lambda seen: bool(conditions.lost_cards(seen))),
    ("driver_error", lambda seen: bool(conditions.driver_errors(seen))),
    ("memory_errors", lambda seen: bool(conditions.memory_errors(seen))),
    ("foreign_process", lambda seen: bool(conditions.foreign(seen))),
    ("card_divided", lambda seen: bool(conditions.divided(seen))),
    ("throttled", lambda seen: conditions.throttled(seen) != 0),
    ("narrow_link", lambda seen: bool(conditions.narrow_links(seen))),
    ("slow_clock", lambda seen: bool(conditions.slow_clocks(seen))),
)
"""(code, whether it spoils an observation that ended well), the first that holds is given."""


def fits(layout: Layout, hosts: frozenset[str]) -> bool:
    """Whether every agent of the layout is on one of these hosts."""
    return all(agent.host in hosts for agent in layout.agents)


def same_settings(one: Layout, other: Layout) -> bool:
    """Whether two layouts differ at most in their devices: one segment size, as many agents on each device."""
    return one.po2 == other.po2 and agents_per_device(one) == agents_per_device(other)


def agents_per_device(layout: Layout) -> frozenset[int]:
    """How many agents its devices carry; one number where all carry the same."""
    counts: dict[tuple[str, str], int] = {}
    for agent in layout.agents:
        key = (agent.host, agent.device)
        counts[key] = counts.get(key, 0) + 1
    return frozenset(counts.values())
