"""What the live screen knows: a value that grows event by event. Pure; time comes in as an argument."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from fleet.model.event import (
    Event,
    HostFailed,
    Note,
    Planned,
    StageFinished,
    StageStarted,
    StepDone,
    Surveyed,
    TrialFinished,
    TrialProgress,
    TrialStarted,
)
from fleet.model.playbook import StepState
from fleet.model.rates import job_cycles, job_seconds
from fleet.model.record import Observation
from fleet.model.trial import Layout, Load, Trial
from fleet.report.lines import Span, Style
from fleet.ui.words import describe, hertz_of

_EVENTS = 5
_PROBLEMS = 20


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
    """The trial that runs. `remaining` trials and about `seconds` come after it; `total` 0 = not known yet."""

    trial: Trial
    number: int
    remaining: int
    seconds: float | None
    started: float
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What the trials of one layout under one load have given so far."""

    layout: Layout
    load: Load
    cycles: int
    seconds: float
    n: int
    emulated: bool

    @property
    def hz(self) -> float:
        """Total cycles over total time."""
        return self.cycles / self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All of the live screen. `events` are the last few, `problems` those that must not scroll away."""

    stages: tuple[Stage, ...] = ()
    hosts: tuple[HostMark, ...] = ()
    running: Running | None = None
    tallies: tuple[Tally, ...] = ()
    events: tuple[Span, ...] = ()
    problems: tuple[Span, ...] = ()
    dropped: int = 0


def apply(state: State, event: Event, now: float) -> State:
    """The state after an event."""
    return _noted(_changed(state, event, now), event)


def time_left(running: Running, now: float) -> float | None:
    """Seconds until the last trial's end: this one's rest at its own pace, and what was estimated for the others."""
    if running.seconds is None:
        return None
    spent = now - running.started
    if running.done:
        return spent * max(running.total - running.done, 0) / running.done + running.seconds
    if not running.remaining:
        return None
    return max(running.seconds / running.remaining - spent, 0.0) + running.seconds


def best(state: State) -> tuple[Tally, ...]:
    """The tallies, fastest first."""
    return tuple(sorted(state.tallies, key=lambda tally: -tally.hz))


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
            return replace(state, running=replace(state.running, done=done, total=total))
        case TrialFinished(observation=observation):
            return _observed(state, observation)
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


def _observed(state: State, observation: Observation) -> State:
    hosts = state.hosts
    for name in observation.lost:
        hosts = _mark(hosts, name, "lost in a trial")
    counts = hertz_of(observation) is not None
    tallies = _add(state.tallies, observation) if counts else state.tallies
    return replace(state, hosts=hosts, running=None, tallies=tallies)


def _add(tallies: tuple[Tally, ...], observation: Observation) -> tuple[Tally, ...]:
    layout, load = observation.trial.layout, observation.trial.load
    fresh = Tally(layout=layout, load=load, cycles=0, seconds=0.0, n=0, emulated=observation.emulated)
    old = next((tally for tally in tallies if tally.layout == layout and tally.load == load), fresh)
    new = replace(
        old,
        cycles=old.cycles + job_cycles(observation.jobs),
        seconds=old.seconds + job_seconds(observation.jobs),
        n=old.n + 1,
        emulated=old.emulated or observation.emulated,
    )
    return (*(tally for tally in tallies if tally is not old), new)


def _noted(state: State, event: Event) -> State:
    """Events into the last few, and what the operator should look at into the problems."""
    if isinstance(event, StageStarted | StageFinished | Surveyed | TrialStarted | TrialProgress):
        return state  # the rest of the screen shows it
    if isinstance(event, StepDone) and event.report.state in {StepState.RIGHT, StepState.SKIPPED}:
        return state
    said = describe(event)
    state = replace(state, events=(*state.events, said)[-_EVENTS:])
    # A trial that went wrong is in the report, with its cure.
    if said.style not in {Style.WARN, Style.BAD} or said in state.problems or isinstance(event, TrialFinished):
        return state
    if len(state.problems) >= _PROBLEMS:
        return replace(state, dropped=state.dropped + 1)
    return replace(state, problems=(*state.problems, said))
