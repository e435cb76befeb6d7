"""One trial looked at closely: the chain of tasks that its end hung on, and where each host's agents spent their time.

The chain is what happened, not what had to happen: from the last task back, each link is what the next one waited for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from statistics import median_low

from fleet.analyse.evidence.identity import ready_times
from fleet.model.rates import UNMEASURED, by_agent, effective_hz, flaw, span
from fleet.model.record import JobRecord, Observation, RunLog, TaskKind, TaskRecord
from fleet.model.trial import AgentSpec, Layout


class Awaited(StrEnum):
    """What a task's start waited for last."""

    NOTHING = "nothing"
    AGENT = "a free agent"
    TASK = "its prerequisite"
    SEGMENT = "its segment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A task of the chain, by its job's place, and what its start waited for: the link before it."""

    job: int
    task: TaskRecord
    awaited: Awaited


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTime:
    """Where the time of one host's agents went, shares of it that add up to 1."""

    host: str
    agents: int
    busy: float
    dispatch: float
    graph: float


def typical(log: RunLog, layout: Layout) -> Observation | None:
    """The sound trial of a layout under the plan's load whose Hz is the (lower) middle one; None = there is none."""
    alike = [
        seen
        for seen in log.observations
        if seen.trial.layout == layout
        and seen.trial.load == log.plan.load
        and seen.trial.experiment not in UNMEASURED
        and flaw(seen) is None
    ]
    if not alike:
        return None
    middle = median_low(effective_hz(seen.jobs) for seen in alike)
    return next(seen for seen in alike if effective_hz(seen.jobs) == middle)


def chain(jobs: Sequence[JobRecord]) -> tuple[Link, ...]:
    """The tasks that the end of jobs submitted together hung on, first to last; empty where nothing was timed."""
    timed = [
        (number, task)
        for number, job in enumerate(jobs)
        for task in job.tasks
        if task.started is not None and task.updated is not None
    ]
    if not timed:
        return ()
    ready = [ready_times(job) for job in jobs]
    at = max(timed, key=lambda one: one[1].updated or 0.0)
    links: list[Link] = []
    while True:
        number, task = at
        before, awaited = _before(timed, number, task, ready[number])
        links.append(Link(job=number, task=task, awaited=awaited))
        if before is None:
            return tuple(reversed(links))
        at = before


_Timed = tuple[int, TaskRecord]


def _before(
    timed: Sequence[_Timed], number: int, task: TaskRecord, ready: Mapping[str, float]
) -> tuple[_Timed | None, Awaited]:
    """What the start of a task waited for last. It began earlier than the task, so that a walk back ends."""
    started = task.started or 0.0
    earlier = [one for one in timed if (one[1].started or 0.0) < started]
    own = [one for one in earlier if task.agent is not None and one[1].agent == task.agent]
    agent = max(own, key=lambda one: one[1].updated or 0.0, default=None)
    if agent is not None and ready[task.id] < (agent[1].updated or 0.0) <= started:
        return agent, Awaited.AGENT
    needed = [one for one in earlier if one[0] == number and one[1].id in task.prerequisites]
    done = [one for one in needed if one[1].kind is not TaskKind.EXECUTE]
    last = max(done, key=lambda one: one[1].updated or 0.0, default=None)
    if last is not None and (last[1].updated or 0.0) >= task.created:
        return last, Awaited.TASK
    cutter = next((one for one in needed if one[1].kind is TaskKind.EXECUTE), None)
    return (cutter, Awaited.SEGMENT) if cutter else (None, Awaited.NOTHING)


def host_times(jobs: Sequence[JobRecord], agents: Sequence[AgentSpec]) -> tuple[HostTime, ...]:
    """Each host's part of the worker-time identity; empty where a record does not name its host.

    When fewer tasks are ready than agents are idle, nobody can say whose the waiting is: the hosts share it by their
    idle agents.
    """
    tasks = [task for job in jobs for task in job.tasks if by_agent(task)]
    hosts = tuple(dict.fromkeys(agent.host for agent in agents))
    if not tasks or any(task.host not in hosts for task in tasks):
        return ()
    count = {host: sum(agent.host == host for agent in agents) for host in hosts}
    start, end = span(task for job in jobs for task in job.tasks)
    busy, dispatch = dict.fromkeys(hosts, 0.0), dict.fromkeys(hosts, 0.0)
    running, ready = dict.fromkeys(hosts, 0), 0
    events = sorted([event for job in jobs for event in _events(job, start)])
    for (time, host, d_running, d_ready), (following, *_) in pairwise([*events, (end, hosts[0], 0, 0)]):
        running[host] += d_running
        ready += d_ready
        idle = {name: max(0, count[name] - running[name]) for name in hosts}
        part = min(1.0, ready / sum(idle.values())) if any(idle.values()) else 0.0
        for name in hosts:
            busy[name] += min(running[name], count[name]) * (following - time)
            dispatch[name] += idle[name] * part * (following - time)
    return tuple(_host_time(host, count[host], busy[host], dispatch[host], end - start) for host in hosts)


def _host_time(host: str, agents: int, busy: float, dispatch: float, seconds: float) -> HostTime:
    total = agents * seconds
    return HostTime(
        host=host,
        agents=agents,
        busy=busy / total,
        dispatch=dispatch / total,
        graph=max(0.0, 1 - (busy + dispatch) / total),
    )


def _events(job: JobRecord, start: float) -> Iterator[tuple[float, str, int, int]]:
    """(time, host, change of its running tasks, change of the ready ones)."""
    ready = ready_times(job)
    for task in job.tasks:
        if by_agent(task) and task.started is not None and task.updated is not None:
            host = task.host or ""
            yield min(max(ready[task.id], start), task.started), host, 0, 1
            yield task.started, host, 1, -1
            yield task.updated, host, -1, 0
