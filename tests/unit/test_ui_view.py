"""What the live screen knows and shows, without a terminal."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from report_samples import BOX, failed, observation
from ui_events import EVENTS, FASTER, FIRST, LAST, NOW, SECOND

from fleet.model.event import (
    Estimated,
    Event,
    HostFailed,
    Note,
    StageFinished,
    StageStarted,
    TrialFinished,
    TrialProgress,
    TrialStarted,
)
from fleet.model.facts import Failure
from fleet.model.record import Outcome
from fleet.model.trial import AgentSpec, Layout
from fleet.ui.state import State, apply, time_left
from fleet.ui.view import summary, view
from fleet.ui.words import describe
from fleet.ui.words import time_left as words_for


def after(events: tuple[Event, ...], *, pace: float = 1.0) -> State:
    """The state after events that come `pace` seconds apart."""
    state = State()
    for number, event in enumerate(events):
        state = apply(state, event, number * pace)
    return state


STARTED = (StageStarted(stage="measure"),)


def shown(state: State, *, now: float = 30.0, width: int = 80, height: int = 24) -> list[str]:
    return [found.text for found in view(state, now, width, height)]


DURING = EVENTS[: EVENTS.index(TrialProgress(trial=SECOND.id, done=30, total=60)) + 1]


def test_the_screen_in_the_middle_of_a_run() -> None:
    """Stages with durations, trials and time left, hosts, the trial with its bar, the best estimate with its interval.

    The last events stand below, each with the time since the start.
    """
    assert shown(after(DURING), now=28.0) == [
        "  ✓ lab              1.0 s  3 hosts on this machine",
        "  ✓ survey           3.0 s  2 of 3 hosts",
        "  ✓ plan             2.0 s",
        "  ✓ provision        4.0 s  1 changed, 1 right",
        "  ✓ cluster          1.0 s  2 nodes",
        "  ⠼ measure         12.0 s  a few seconds left, trial 3 of about 3",
        "  · analyse",
        "",
        "  hosts        ✗\u00a0far2 (connection refused on port 2222)  ✓\u00a0box  ✓\u00a0far",
        "",
        "  trial 3      remote, box×2 + far×1, 1 agent each, po2 20",
        "               ━━━━━━━━━━━━━━───────────────  30 of 60 tasks",
        "",
        "  best so far  box×2, 1 agent each, po2 20 (as now)",
        "               431.4 kHz [410.0, 455.0], n = 1 (emulated)",
        "",
        "  00:07  in service: box×2, 1 agent each, po2 20; at most 32 trials or 30 min 0…",
        "  00:11  far: python environment: changed: made the venv",
        "  00:12  far: [bold red]x[/]  next line: failed: pip failed ([bold red]x[/]  ne…",
        "  00:18  out of memory: ceiling, box×1, 1 agent each, po2 20, in 2.0 s: agent b…",
        "  00:22  431.4 kHz (emulated): baseline, box×2, 1 agent each, po2 20, in 6.5 s",
    ]


def test_between_two_trials_nothing_on_the_screen_moves() -> None:
    """The trial that ended stays where it is until the next one begins; the estimates grow below it."""
    running, ended = EVENTS.index(DURING[-1]), EVENTS.index(TrialFinished(observation=LAST))
    before, between = shown(after(EVENTS[: running + 1])), shown(after(EVENTS[: ended + 1]))
    assert [text[:15] for text in before[:13]] == [text[:15] for text in between[:13]]
    assert any(text.endswith("━  done; choosing what comes next") for text in between)


def test_the_best_estimate_stands_against_the_layout_in_service() -> None:
    """Both rates with interval and n, the gain with its interval, and what is emulated is called so."""
    lines = shown(after(EVENTS[: EVENTS.index(Estimated(rates=(FASTER, NOW))) + 1]))
    at = lines.index("  best so far  box×2 + far×1, 1 agent each, po2 20")
    assert lines[at : at + 5] == [
        "  best so far  box×2 + far×1, 1 agent each, po2 20",
        "               690.0 kHz [671.0, 709.1], n = 1 (emulated)",
        "               +60.0 % [+51.0, +69.0] against now",
        "  now          box×2, 1 agent each, po2 20",
        "               431.4 kHz [410.0, 455.0], n = 1 (emulated)",
    ]


def test_a_low_screen_keeps_what_runs_and_the_best_estimate() -> None:
    lines = shown(after(EVENTS[: EVENTS.index(Estimated(rates=(FASTER, NOW))) + 1]), width=60, height=8)
    assert [text.split()[0] for text in lines] == ["⠋", "trial", "━━━━━━━━━", "best", "690.0", "+60.0"]


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_long_layout_loses_its_hosts_before_its_settings(width: int) -> None:
    """Thirty hosts with long names: what tells two layouts apart is po2 and agents, and those stay."""
    agents = tuple(AgentSpec(host=f"prover-with-a-long-name-{n:02}", device="gpu0", slot=0) for n in range(30))
    layout = Layout(agents=agents, po2=21)
    lines = shown(after((Estimated(rates=(replace(NOW, layout=layout),)),)), width=width)
    assert any("…, 1 agent each, po2 21" in text for text in lines)


@given(st.integers(0, len(EVENTS)), st.integers(40, 160), st.integers(2, 60), st.floats(0, 1e5))
@example(18, 40, 24, 6016.0)
def test_the_screen_never_leaves_the_terminal(count: int, width: int, height: int, now: float) -> None:
    lines = view(after(EVENTS[:count]), now, width, height)
    assert len(lines) < height
    assert all(found.width <= width for found in lines)
    assert all(found.width <= width for found in summary(after(EVENTS[:count]), now, width))


def test_on_a_low_terminal_the_running_trial_stays() -> None:
    lines = shown(after(DURING), height=11)
    assert lines[0].lstrip().split()[1] == "measure"
    assert any("30 of 60 tasks" in text for text in lines)
    assert any("431.4 kHz (emulated)" in text for text in lines)


def test_a_lab_that_is_not_there_is_not_waited_for() -> None:
    lines = shown(after((StageStarted(stage="survey"),)))
    assert [text.split()[1] for text in lines] == [
        "survey",
        "provision",
        "cluster",
        "measure",
        "analyse",
    ]


def test_what_stays_names_the_stage_that_failed_and_what_to_look_at() -> None:
    lines = [found.text for found in summary(after(EVENTS[:-3]), 40.0, 80)]
    assert lines[5].startswith("  ✗ measure ")
    assert "  ! far2 failed at survey: connection refused on port 2222: start sshd there" in lines
    assert "  ! going on without far2" in lines
    assert lines[-1] == ""


def test_a_warning_is_kept_once_and_a_flood_is_counted() -> None:
    flood = tuple(Note(text=f"warning {number % 30}", warning=True) for number in range(60))
    lines = [found.text for found in summary(after(flood), 0.0, 80)]
    assert sum("warning" in text for text in lines) == 20
    assert any(text.startswith("  ! and ") for text in lines)


@pytest.mark.parametrize("outcome", [Outcome.OUT_OF_MEMORY, Outcome.FAILED, Outcome.HOST_LOST])
def test_a_trial_that_went_wrong_is_no_figure(outcome: Outcome) -> None:
    state = after((TrialFinished(observation=failed(BOX, outcome)),))
    assert not any("Hz" in text for text in shown(state))


def test_a_real_figure_is_not_called_emulated() -> None:
    real = replace(NOW, emulated=False)
    state = after((TrialFinished(observation=observation(BOX, 300e3, emulated=False)), Estimated(rates=(real,))))
    assert any("431.4 kHz [410.0, 455.0], n = 1" in text for text in shown(state))
    assert not any("emulated" in text for text in shown(state))


def under_way(*, done: int, total: int) -> State:
    """The first trial of three, whose others are estimated to take 120 s."""
    told = (TrialProgress(trial=FIRST.id, done=number, total=total) for number in (0, done))
    return after((*STARTED, TrialStarted(trial=FIRST, number=1, remaining=2, seconds=120.0), *told))


def test_time_left_is_this_trial_at_its_own_pace_and_the_rest_as_estimated() -> None:
    """A quarter of the tasks in ten seconds, of which its agents took none: thirty more, and 120 s for the others."""
    state = under_way(done=10, total=40)
    assert state.running is not None
    assert time_left(state.running, 12.0) == pytest.approx(150.0)
    assert any("about 2 min left, trial 1 of about 3" in text for text in shown(state, now=12.0))


def test_a_first_task_tells_no_pace() -> None:
    """One of 279 after half a minute, in which its agents came up, is no three hours: the estimate stands."""
    state = under_way(done=1, total=279)
    assert state.running is not None
    assert time_left(state.running, 37.0) == pytest.approx(145.0, abs=3)


def test_time_left_runs_on_between_two_trials() -> None:
    events = (
        TrialStarted(trial=FIRST, number=1, remaining=2, seconds=120.0),
        TrialFinished(observation=observation(BOX, 431.4e3)),
    )
    running = after(events).running
    assert running is not None
    assert time_left(running, 21.0) == pytest.approx(100.0)


def test_before_the_first_pace_is_known_trials_are_counted() -> None:
    state = after((*STARTED, TrialStarted(trial=FIRST, number=1, remaining=5, seconds=None)))
    assert any(text.endswith("trial 1 of about 6") for text in shown(state))
    assert any("making its agents ready, 29.0 s" in text for text in shown(state))


def test_progress_of_another_trial_changes_nothing() -> None:
    begun = after((TrialStarted(trial=FIRST, number=1, remaining=5, seconds=None),))
    assert apply(begun, TrialProgress(trial="another", done=9, total=10), 1.0) == begun


def test_a_host_that_fails_later_changes_its_mark() -> None:
    late = HostFailed(failure=Failure(host="box", stage="cluster", message="its node did not come up"))
    hosts = {host.name: host.failure for host in after((*EVENTS[:6], late)).hosts}
    assert hosts == {"far": None, "far2": "connection refused on port 2222", "box": "its node did not come up"}


def test_a_stage_that_runs_twice_is_shown_once() -> None:
    twice = (StageStarted(stage="plan"), StageFinished(stage="plan"), StageStarted(stage="plan"))
    assert [stage.finished for stage in after(twice).stages] == [None]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (3, "a few seconds left"),
        (37, "about 40 s left"),
        (58, "about 1 min left"),
        (130, "about 2 min left"),
        (3720, "about 1 h 02 min left"),
    ],
)
def test_time_left_is_as_coarse_as_it_is_sure(seconds: float, shown: str) -> None:
    assert words_for(seconds) == shown


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_is_one_line_without_control_characters(event: Event) -> None:
    text = describe(event).text
    assert text
    assert text.isprintable()
