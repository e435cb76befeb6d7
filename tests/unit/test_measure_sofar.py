"""What is known while a run goes on: the estimates are those the report will have, the time left is the clock's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Self

import pytest
from planted_fleets import guide_box, layout
from planted_machine import Truth, observe

from fleet.analyse import analyse
from fleet.measure.loop import measure
from fleet.measure.pace import BREAK, seconds_left
from fleet.model.event import Estimated, Event, TrialFinished, TrialStarted
from fleet.model.facts import Survey
from fleet.model.record import Observation, Outcome, RunLog
from fleet.model.trial import Budget, Experiment, Load, Plan, Trial

HOSTS = ("box", "far0", "far1")
PLAN = Plan(
    run="r", current=layout(20, box=2), load=Load(iterations=4096), budget=Budget(trials=12), seed=1, hosts=HOSTS
)


class Planted:
    """A cluster whose truth is known."""

    def run(self, trial: Trial, progress: Callable[[int, int], None]) -> Observation:
        progress(1, 1)
        return observe(guide_box(), Truth(trial_noise=0.01, task_noise=0.01), trial)

    def alive(self) -> frozenset[str]:
        return frozenset(HOSTS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


def told(history: tuple[Observation, ...] = ()) -> tuple[list[Event], list[Observation]]:
    """The events of a run on the planted cluster, and its observations."""
    events: list[Event] = []
    seen = list(history)
    measure(PLAN, guide_box(), Planted(), history=history, keep=seen.append, observe=events.append)
    return events, seen


def test_the_last_estimates_on_the_screen_are_the_reports() -> None:
    """Every layout under the plan's load, with its interval, its n, and its gain over the layout in service."""
    events, seen = told()
    last = [event for event in events if isinstance(event, Estimated)][-1]
    log = RunLog(
        id="r",
        created=0.0,
        version="",
        inventory=guide_box(),
        survey=Survey(facts=()),
        plan=PLAN,
        observations=tuple(seen),
    )
    found = analyse(log)
    reported = MappingProxyType({one.layout: one.hz for one in found.throughputs if one.jobs == 1})
    assert {rate.layout: rate.hz for rate in last.rates} == reported
    gains = {option.layout: option.gain for option in found.options if option.layout and option.gain}
    measured = [rate for rate in last.rates if rate.layout in gains]
    assert measured
    for rate in measured:
        assert rate.gain is not None
        assert rate.gain.value == pytest.approx(gains[rate.layout].value)
    assert [rate.hz.value for rate in last.rates] == sorted((rate.hz.value for rate in last.rates), reverse=True)
    assert [rate.layout for rate in last.rates if rate.in_service] == [PLAN.current]
    assert [rate.gain for rate in last.rates if rate.in_service] == [None]


def test_every_trials_end_is_followed_by_the_estimates_and_a_resumed_run_begins_with_them() -> None:
    events, seen = told()
    ends = [at for at, event in enumerate(events) if isinstance(event, TrialFinished)]
    assert all(isinstance(events[at + 1], Estimated) for at in ends)
    resumed, _ = told(tuple(seen[:4]))
    assert isinstance(resumed[0], Estimated)
    assert isinstance(resumed[1], TrialStarted)


def trials(*starts: float, elapsed: float = 2.0) -> list[Observation]:
    """Trials that began at these seconds."""
    one = observe(guide_box(), Truth(), Trial(experiment=Experiment.BASELINE, layout=PLAN.current, load=PLAN.load,
                                              repeat=0, seed=1))  # fmt: skip
    return [replace(one, started=start, elapsed=elapsed) for start in starts]


def test_what_passes_between_two_trials_is_time_that_is_left_too() -> None:
    """Trials of 2 s that begin every 10 s take 10 s each; one that had to wait for long is no rule."""
    assert seconds_left(PLAN, guide_box(), trials(0, 10, 20), [PLAN.load] * 6) == pytest.approx(60.0)
    assert seconds_left(PLAN, guide_box(), trials(0, 10, 90, 100), [PLAN.load]) == pytest.approx(10.0)


def test_a_larger_load_takes_longer() -> None:
    """A soak of four loads and three jobs at once: the work of seven, and what passes before two trials."""
    ahead = [replace(PLAN.load, iterations=4 * PLAN.load.iterations), replace(PLAN.load, jobs=3)]
    assert seconds_left(PLAN, guide_box(), trials(0, 10), ahead) == pytest.approx(7 * 2 + 2 * 8)


def test_a_trial_that_ended_early_sets_no_pace() -> None:
    """Out of memory at once says nothing of how long the next one takes, whatever passed before it."""
    early = replace(trials(5)[0], outcome=Outcome.OUT_OF_MEMORY, jobs=(), cause="OutOfMemory", elapsed=0.1)
    assert seconds_left(PLAN, guide_box(), [early], [PLAN.load]) is None
    assert seconds_left(PLAN, guide_box(), [early, *trials(6.1)], [PLAN.load]) == pytest.approx(3.0)


def test_an_interruption_is_no_pace() -> None:
    assert seconds_left(PLAN, guide_box(), trials(0, 2 * BREAK), [PLAN.load] * 5) == pytest.approx(10.0)


def test_a_warm_up_sets_no_pace() -> None:
    warm = [replace(one, trial=replace(one.trial, experiment=Experiment.WARMUP)) for one in trials(0)]
    assert seconds_left(PLAN, guide_box(), warm, [PLAN.load]) is None


def test_no_more_time_is_left_than_the_budget_has() -> None:
    plan = replace(PLAN, budget=Budget(seconds=7.0))
    assert seconds_left(plan, guide_box(), trials(0, 10), [PLAN.load] * 6) == pytest.approx(3.0)
