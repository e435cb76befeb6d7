"""What-if against machines whose truth is known: layouts that were never measured come out as the machine has them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from planted_questions import PREMISES, bench_of, run_of, true_hz

from fleet.analyse.foretell.changes import changed_layout
from fleet.analyse.foretell.outlook import outlook
from fleet.analyse.foretell.prediction import error_of, gains_of, hertz_of, prediction
from fleet.analyse.foretell.simulate import simulate
from fleet.errors import ConfigurationError
from fleet.model.record import RunLog
from fleet.model.simulation import CUTS, Change, Prediction, Simulation


def told(fleet: str, change: Change) -> Prediction:
    bench = bench_of(fleet)
    return prediction(bench, outlook(bench, changed_layout(bench.found, change), change))


def asked(fleet: str, change: Change) -> Simulation:
    return simulate(run_of(fleet), change, PREMISES)


@pytest.mark.parametrize(
    ("fleet", "change"),
    [
        ("guide", Change(gpus=1)),
        ("guide", Change(gpus=2)),
        ("guide", Change(gpus=-1)),
        ("guide", Change(remotes=1)),
        ("guide", Change(remotes=2)),
        ("guide", Change(remotes=4)),
        ("guide", Change(gpus=1, remotes=2)),
        ("guide", Change(po2=19)),
        ("guide", Change(po2=18)),
        ("guide", Change(po2=19, agents=2, gpus=1)),
        ("roomy", Change(gpus=1)),
        ("roomy", Change(gpus=2, remotes=2)),
        ("roomy", Change(po2=19)),
        ("roomy", Change(po2=19, agents=2)),
        ("mistuned", Change(agents=2)),
        ("mistuned", Change(po2=19, agents=3)),
    ],
)
def test_a_layout_never_measured_gives_what_the_machine_gives(fleet: str, change: Change) -> None:
    """The truth lies in the interval, and the middle is within 8 % of it."""
    answer = told(fleet, change)
    truth = true_hz(fleet, answer.layout)
    assert answer.hz.low <= truth <= answer.hz.high
    assert answer.hz.value == pytest.approx(truth, rel=0.08)


@pytest.mark.parametrize("change", [Change(gpus=2), Change(po2=20, gpus=1)])
def test_where_no_contrast_was_measured_the_interval_is_wide_and_holds_the_truth(change: Change) -> None:
    """The mistuned box was never measured with one device: from no crowding to full crowding, all is possible."""
    answer = told("mistuned", change)
    assert answer.hz.low <= true_hz("mistuned", answer.layout) <= answer.hz.high
    assert answer.hz.high / answer.hz.low > 1.3


def test_nothing_changed_is_no_gain() -> None:
    """The layout in service against itself, under the same luck: the same in every draw."""
    answer = told("guide", Change())
    assert (answer.gain.value, answer.gain.low, answer.gain.high) == (0.0, 0.0, 0.0)
    assert answer.better == 0.0
    assert answer.beyond == ()


def test_the_same_question_has_the_same_answer() -> None:
    """Every random choice comes from the run's seed."""
    assert asked("guide", Change(gpus=1)) == asked("guide", Change(gpus=1))


def test_beyond_the_measured_range_is_said_and_widens() -> None:
    """Two GPUs more are further out than one; inside the range nothing is said."""
    one, two = told("roomy", Change(gpus=1)), told("roomy", Change(gpus=2))
    assert told("roomy", Change(remotes=1)).beyond == ()
    assert error_of(()) < error_of(one.beyond) < error_of(two.beyond)
    assert "box with 3 devices: at most 2 measured" in [beyond.text for beyond in one.beyond]


def test_another_size_has_the_luck_of_other_trials() -> None:
    """Neither trials' luck cancels in the gain; in Hz only the others' is left. Of a GPU more the same trials tell."""
    bench = bench_of("guide")
    view, more = (outlook(bench, changed_layout(bench.found, one)) for one in (Change(po2=19), Change(gpus=1)))
    assert (more.other, more.noise) == (0.0, 0.0)
    gains, calm = gains_of(bench, view), gains_of(bench, replace(view, other=0.0, noise=0.0))
    unsure, known, anchor = (float(np.std(np.log(draws))) for draws in (1 + gains, 1 + calm, bench.noise))
    assert unsure > max(known, anchor)
    assert np.std(np.log(hertz_of(bench, gains))) < math.hypot(unsure, anchor)


def test_what_waits_for_dispatch_may_wait_otherwise_with_segments_of_another_size() -> None:
    """Agents that wait a fifth of their time: three laws for a size that was not measured, none where it was."""
    bench = replace(bench_of("mistuned"))
    vars(bench)["waiting"] = 0.2
    views = {po2: outlook(bench, changed_layout(bench.found, Change(po2=po2))) for po2 in (17, 18, 21)}
    claims = {po2: {scenario.control.claim for scenario in view.scenarios} for po2, view in views.items()}
    assert {po2: len(found) for po2, found in claims.items()} == {17: 3, 18: 1, 21: 1}
    assert max(claims[17]) == pytest.approx(4 * min(claims[17]))


def test_a_measured_layout_is_shown_with_its_measurement() -> None:
    """The prediction can be held against what was seen, and agrees with it."""
    answer = told("guide", Change(remotes=1))
    assert answer.measured is not None
    assert answer.hz.value == pytest.approx(answer.measured.value, rel=0.03)


def test_a_round_trip_costs_remote_workers_only() -> None:
    """The gain of remote workers falls with the distance; without any nothing changes."""
    near, far = told("guide", Change(remotes=2)), told("guide", Change(remotes=2, rtt=0.2))
    assert far.gain.value < near.gain.value - 0.05
    assert told("guide", Change(rtt=0.2)).gain.value == pytest.approx(0.0, abs=0.01)


def test_polling_costs_what_pushing_does_not() -> None:
    """The legacy stack's timers lower the rate, its defaults more than the tuned ones."""
    usual, tuned = told("mistuned", Change(poll=1.0, refresh=5.0)), told("mistuned", Change(poll=0.0, refresh=1.0))
    assert usual.gain.value < tuned.gain.value < 0.0


def test_the_time_of_an_agent_adds_up() -> None:
    """Busy, waiting for dispatch and for the graph are all there is; a GPU more takes work off each agent."""
    answer = asked("roomy", Change(gpus=1))
    assert answer.after is not None
    for time in (answer.before, answer.after):
        assert time.share.busy + time.share.dispatch + time.share.graph == pytest.approx(1.0, abs=1e-9)
    assert answer.after.seconds < answer.before.seconds
    assert answer.after.share.graph > answer.before.share.graph


def test_the_speedup_curve_grows_from_nothing() -> None:
    """No cut is no gain, a larger cut never gains less; proves matter most where devices bind."""
    curve = {speedup.part: speedup.gains for speedup in asked("guide", Change()).curve}
    assert set(curve) == {"prove", "join", "finalize", "executor", "dispatch"}
    for gains in curve.values():
        assert len(gains) == len(CUTS)
        assert gains[0] == 0.0
        assert list(gains) == sorted(gains)
    assert curve["prove"][2] > max(curve[part][2] for part in curve if part != "prove")


def test_the_executor_is_found_where_it_binds() -> None:
    """Behind a slow executor nothing else is worth speeding up."""
    curve = {speedup.part: speedup.gains for speedup in asked("starved", Change()).curve}
    assert curve["executor"][2] > 0.5
    assert curve["prove"][2] < 0.05


def only(log: RunLog, po2: int) -> RunLog:
    """The run with one segment size only."""
    return replace(log, observations=tuple(o for o in log.observations if o.trial.layout.po2 == po2))


def test_a_size_that_nothing_can_be_said_of_is_refused() -> None:
    """One measured size carries no line: refused in one sentence, never guessed."""
    with pytest.raises(ConfigurationError, match="no host was measured at two segment sizes"):
        simulate(only(run_of("guide"), 20), Change(po2=19), PREMISES)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (Change(po2=21), "ran out of memory in this run"),
        (Change(agents=2), "needs more memory than guide has"),
        (Change(gpus=-2), "at least one must stay"),
        (Change(remotes=-1), "there are 0 remote workers in service"),
    ],
)
def test_what_cannot_be_is_refused(change: Change, why: str) -> None:
    """Memory that is known not to suffice, and devices that are not there to be taken away."""
    with pytest.raises(ConfigurationError, match=why):
        simulate(run_of("guide"), change, PREMISES)


def test_a_run_without_a_baseline_answers_nothing() -> None:
    """Gains are relative to the layout in service: without it there is nothing to say."""
    with pytest.raises(ConfigurationError, match="no admissible trial of the layout in service"):
        simulate(replace(run_of("guide"), observations=()), Change(gpus=1), PREMISES)
