"""What the live screen knows: a value that grows event by event. Pure; time comes in as an argument."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from fleet.model.event import (
    Estimated,
    Event,
    HostFailed,
    Note,
    Planned,
    Rate,
    StageFinished,
    StageStarted,
    StepDone,
    Surveyed,
    TrialFinished,
    TrialProgress,
    TrialStarted,
)
from fleet.model.playbook import StepState
from fleet.model.record import Observation
from fleet.model.trial import Trial
from fleet.report.lines import Span, Style
from fleet.ui import words

_EVENTS = 5
_PROBLEMS = 20
_TELLING = 0.1
"""A trial's own pace is told by no smaller share of its tasks: its agents' making is in the time of the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A stage of the road; `finished` None = it still runs. Times in seconds on the screen's clock."""

    name: str
    started: float
    finished: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostMark:
    """A host, and why it is out (None = it is in)."""

    name: str
    failure: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The trial that runs, or that ended last. `remaining` trials and about `seconds` come after it.

    `began`: when its first task could begin, its agents being up. `total` 0 = not known yet.
    """

    trial: Trial
    number: int
    remaining: int
    seconds: float | None
    started: float
    began: float | None = None
    ended: float | None = None
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """An event in words, `at` seconds after the first one."""

    at: float
    said: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All of the live screen. `events` are the last few, `problems` those that must not scroll away.

    `stopping`: since when all that was started is being taken down, as the operator asked for it.
    """

    begun: float | None = None
    stages: tuple[Stage, ...] = ()
    hosts: tuple[HostMark, ...] = ()
    running: Running | None = None
    rates: tuple[Rate, ...] = ()
    events: tuple[Happening, ...] = ()
    problems: tuple[Span, ...] = ()
    dropped: int = 0
    stopping: float | None = None


EMPTY = State()
"""Before the first event."""


def apply(state: State, event: Event, now: float) -> State:
    """The state after an event."""
    state = state if state.begun is not None else replace(state, begun=now)
    return _noted(_changed(state, event, now), event, now)


def time_left(running: Running, now: float) -> float | None:
    """Seconds until the last trial's end: this one's rest at its own pace, and what was estimated for the others."""
    if running.seconds is None:
        return None
    if running.ended is not None:
        return max(running.seconds - (now - running.ended), 0.0)
    if running.done and running.done >= _TELLING * running.total and running.began is not None:
        spent = now - running.began
        return spent * max(running.total - running.done, 0) / running.done + running.seconds
    if not running.remaining:
        return None
    return max(running.seconds / running.remaining - (now - running.started), 0.0) + running.seconds


def progress(state: State, now: float) -> Span:
    """How far the trial that runs is, and when the last one will be done, as one line."""
    running = state.running
    if running is None:
        return Span("between two trials", Style.DIM)
    left = time_left(running, now)
    rest = "" if left is None else f", {words.time_left(left)}"
    return Span(f"trial {running.number}: {running.done} of {running.total} tasks done{rest}", Style.DIM)


def _changed(state: State, event: Event, now: float) -> State:  # noqa: C901, PLR0911 (one arm an event)
    match event:
        case StageStarted(stage=name, detail=detail):
            others = tuple(stage for stage in state.stages if stage.name != name)
            return replace(state, stages=(*others, Stage(name=name, started=now, detail=detail)))
        case StageFinished(stage=name, detail=detail):
            return replace(state, stages=_finish(state.stages, name, detail, now), running=None)
        case HostFailed(failure=failure):
            return replace(state, hosts=_mark(state.hosts, failure.host, failure.message))
        case Surveyed(survey=survey):
            hosts = tuple(HostMark(name=facts.host) for facts in survey.facts)
            for failure in survey.failures:
                hosts = _mark(hosts, failure.host, failure.message)
            return replace(state, hosts=hosts)
        case TrialStarted(trial=trial, number=number, remaining=remaining, seconds=seconds):
            running = Running(trial=trial, number=number, remaining=remaining, seconds=seconds, started=now)
            return replace(state, running=running)
        case TrialProgress(trial=trial_id, done=done, total=total):
            if state.running is None or state.running.trial.id != trial_id:
                return state
            began = now if state.running.began is None else state.running.began
            return replace(state, running=replace(state.running, done=done, total=total, began=began))
        case TrialFinished(observation=observation):
            return _observed(state, observation, now)
        case Estimated(rates=rates):
            return replace(state, rates=rates)
        case Planned() | StepDone() | Note():
            return state
        case _:
            assert_never(event)


def _finish(stages: tuple[Stage, ...], name: str, detail: str, now: float) -> tuple[Stage, ...]:
    return tuple(
        replace(stage, finished=now, detail=detail or stage.detail) if stage.name == name else stage for stage in stages
    )


def _mark(hosts: tuple[HostMark, ...], name: str, failure: str) -> tuple[HostMark, ...]:
    others = tuple(host for host in hosts if host.name != name)
    return (*others, HostMark(name=name, failure=failure))


def _observed(state: State, observation: Observation, now: float) -> State:
    hosts = state.hosts
    for name in observation.lost:
        hosts = _mark(hosts, name, "lost in a trial")
    return replace(state, hosts=hosts, running=replace(state.running, ended=now) if state.running else None)


def _noted(state: State, event: Event, now: float) -> State:
    """Events into the last few, and what the operator should look at into the problems."""
    if isinstance(event, StageStarted | StageFinished | Surveyed | TrialStarted | TrialProgress | Estimated):
        return state  # the rest of the screen shows it
    if isinstance(event, StepDone) and event.report.state in {StepState.RIGHT, StepState.SKIPPED}:
        return state
    said = words.describe(event)
    happening = Happening(at=now - (now if state.begun is None else state.begun), said=said)
    state = replace(state, events=(*state.events, happening)[-_EVENTS:])
    # A trial that went wrong is in the report, with its cure.
    if said.style not in {Style.WARN, Style.BAD} or said in state.problems or isinstance(event, TrialFinished):
        return state
    if len(state.problems) >= _PROBLEMS:
        return replace(state, dropped=state.dropped + 1)
    return replace(state, problems=(*state.problems, said))
