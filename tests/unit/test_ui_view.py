"""What the live screen knows and shows, without a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_samples import BOX, BOX_AND_FAR, failed, observation
from ui_events import EVENTS, FIRST, SECOND

from fleet.model.event import (
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
from fleet.ui.state import State, apply, best, time_left
from fleet.ui.view import summary, view
from fleet.ui.words import describe
from fleet.ui.words import time_left as words_for


def after(events: tuple[Event, ...], *, pace: float = 1.0) -> State:
    """The state after events that come `pace` seconds apart."""
    state = State()
    for number, event in enumerate(events):
        state = apply(state, event, number * pace)
    return state


def shown(state: State, *, now: float = 30.0, width: int = 80, height: int = 24) -> list[str]:
    return [found.text for found in view(state, now, width, height)]


DURING = EVENTS[: EVENTS.index(TrialProgress(trial=SECOND.id, done=30, total=60)) + 1]


def test_the_screen_in_the_middle_of_a_run() -> None:
    """Stages with durations, hosts with their state, the trial with its bar and time left, the best so far."""
    assert shown(after(DURING), now=28.0) == [
        "  ✓ lab              1.0 s  3 hosts on this machine",
        "  ✓ survey           3.0 s  2 of 3 hosts",
        "  ✓ plan             2.0 s",
        "  ✓ provision        4.0 s  1 changed, 1 right",
        "  ✓ cluster          1.0 s  2 nodes",
        "  ⠼ measure         12.0 s",
        "  · analyse",
        "",
        "  hosts        ✗\u00a0far2 (connection refused on port 2222)  ✓\u00a0box  ✓\u00a0far",
        "",
        "  trial 3      remote, box×2 + far×1, 1 agent each, po2 20",
        "               ━━━━━━━━━━━━───────────  30 of 60 tasks, a few seconds left",
        "",
        "  best so far    431.4 kHz (emulated)  n = 1  box×2, 1 agent each, po2 20",
        "",
        "  in service: box×2, 1 agent each, po2 20; at most 32 trials or 30 min 00 s, se…",
        "  far: python environment: changed: made the venv",
        "  far: [bold red]x[/]  next line: failed: pip failed ([bold red]x[/]  next line)",
        "  out of memory: ceiling, box×1, 1 agent each, po2 20, in 2.0 s: agent box/gpu0…",
        "  431.4 kHz (emulated): baseline, box×2, 1 agent each, po2 20, in 6.5 s",
    ]


@given(st.integers(0, len(EVENTS)), st.integers(40, 160), st.integers(2, 60), st.floats(0, 1e5))
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


def test_totals_over_totals_not_a_mean_of_rates() -> None:
    """300 kHz and 600 kHz over equal cycles are 400 kHz, not 450."""
    two = (
        TrialFinished(observation=observation(BOX, 300e3)),
        TrialFinished(observation=observation(BOX, 600e3, repeat=1)),
        TrialFinished(observation=observation(BOX_AND_FAR, 350e3)),
    )
    tallies = best(after(two))
    assert [tally.layout for tally in tallies] == [BOX, BOX_AND_FAR]
    assert tallies[0].hz == pytest.approx(400e3)
    assert tallies[0].n == 2


def test_several_jobs_are_not_mixed_with_one() -> None:
    both = (
        TrialFinished(observation=observation(BOX, 300e3)),
        TrialFinished(observation=observation(BOX, 500e3, jobs=3)),
    )
    assert [tally.load.jobs for tally in best(after(both))] == [3, 1]
    assert any("n = 1  3 jobs, box×2" in text for text in shown(after(both)))


@pytest.mark.parametrize("outcome", [Outcome.OUT_OF_MEMORY, Outcome.FAILED, Outcome.HOST_LOST])
def test_a_trial_that_went_wrong_is_no_figure(outcome: Outcome) -> None:
    state = after((TrialFinished(observation=failed(BOX, outcome)),))
    assert state.tallies == ()
    assert not any("Hz" in text for text in shown(state))


def test_a_real_figure_is_not_called_emulated() -> None:
    state = after((TrialFinished(observation=observation(BOX, 300e3, emulated=False)),))
    assert not any("emulated" in text for text in shown(state))


def test_time_left_is_this_trial_at_its_own_pace_and_the_rest_as_estimated() -> None:
    """Ten seconds for a quarter of the tasks: thirty more, and the 120 s of the trials after it."""
    events = (
        TrialStarted(trial=FIRST, number=1, remaining=2, seconds=120.0),
        TrialProgress(trial=FIRST.id, done=10, total=40),
    )
    running = after(events).running
    assert running is not None
    assert time_left(running, 10.0) == pytest.approx(150.0)
    assert any("about 2 min left" in text for text in shown(after(events), now=10.0))


def test_before_the_first_pace_is_known_trials_are_counted() -> None:
    state = after((TrialStarted(trial=FIRST, number=1, remaining=5, seconds=None),))
    assert any("starting, about 5 trials after it" in text for text in shown(state))


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
