"""The plain log: one line an event, readable in any pipe."""

from __future__ import annotations

import io
import threading
import time

from report_samples import BOX, trial
from ui_events import EVENTS, FASTER, NOW

from fleet import ui
from fleet.model.event import Estimated, Note, TrialProgress, TrialStarted
from fleet.ui.plain import plain


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_each_event_is_a_stamped_line_without_escape_sequences() -> None:
    stream, clock = io.StringIO(), Clock()
    observe = plain(stream, clock=clock)
    for event in EVENTS:
        observe(event)
        clock.now += 11.0
    lines = stream.getvalue().splitlines()
    assert len(lines) == len(EVENTS) - 1  # the step that found all right is silent
    assert lines[0] == "00:00  lab ~"
    assert lines[3] == "00:33  far2 failed at survey: connection refused on port 2222: start sshd there"
    assert lines[21] == "04:02  431.4 kHz (emulated): baseline, box*2, 1 agent each, po2 20, in 6.5 s"
    assert all(line.isprintable() for line in lines)


def test_within_a_trial_progress_is_said_every_ten_seconds_at_most() -> None:
    stream, clock = io.StringIO(), Clock()
    observe = plain(stream, clock=clock)
    for done in range(60):
        observe(TrialProgress(trial=trial(BOX).id, done=done, total=60))
        clock.now += 0.5
    assert [line.split("  ")[0] for line in stream.getvalue().splitlines()] == ["00:10", "00:20"]


def test_progress_names_the_trial_by_its_number_and_says_what_is_left() -> None:
    """Not by its id, which nobody has seen before."""
    stream, clock = io.StringIO(), Clock()
    observe = plain(stream, clock=clock)
    one = trial(BOX)
    observe(TrialStarted(trial=one, number=7, remaining=2, seconds=120.0))
    for done in (0, 10):
        observe(TrialProgress(trial=one.id, done=done, total=40))
        clock.now += 12.0
    observe(TrialProgress(trial=one.id, done=20, total=40))
    assert stream.getvalue().splitlines()[1:] == [
        "00:12  trial 7: 10 of 40 tasks done, about 3 min left",
        "00:24  trial 7: 20 of 40 tasks done, about 2 min left",
    ]


def test_before_a_first_figure_no_estimate_is_spoken_of() -> None:
    stream = io.StringIO()
    observe = plain(stream, clock=Clock())
    observe(Estimated(rates=()))
    observe(Estimated(rates=(FASTER, NOW)))
    assert stream.getvalue() == (
        "00:00  so far: box*2 + far*1, 1 agent each, po2 20: 690.0 kHz [671.0, 709.1], n = 1 (emulated), "
        "+60.0 % [+51.0, +69.0] against now\n"
    )


def test_events_of_several_threads_do_not_mix_their_lines() -> None:
    stream = io.StringIO()
    observe = plain(stream)
    threads = [
        threading.Thread(target=lambda name=name: [observe(Note(text=name * 40)) for _ in range(200)])
        for name in "abcd"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = [line.split("  ")[1] for line in stream.getvalue().splitlines()]
    assert len(lines) == 800
    assert all(line == line[0] * 40 for line in lines)


def test_a_long_run_is_stamped_in_hours() -> None:
    stream, clock = io.StringIO(), Clock()
    observe = plain(stream, clock=clock)
    clock.now += 3725.0
    observe(Note(text="still here"))
    assert stream.getvalue() == "1:02:05  still here\n"


def test_without_a_terminal_the_observer_is_plain() -> None:
    stream = io.StringIO()
    with ui.observer(stream) as observe:
        observe(Note(text="hello"))
    assert stream.getvalue() == "00:00  hello\n"


def test_a_long_silence_after_a_trial_is_explained() -> None:
    """What comes next may take long to choose; the last trial's end is not the end of the stage."""
    stream = io.StringIO()
    observe = plain(stream, clock=Clock(), quiet=0.01)
    observe(Estimated(rates=(FASTER, NOW)))
    deadline = time.monotonic() + 60
    while "choosing what comes next" not in stream.getvalue() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert stream.getvalue().splitlines()[1:] == ["00:00  choosing what comes next, by replays of what was measured ~"]


def test_no_silence_is_explained_that_another_event_has_ended() -> None:
    stream = io.StringIO()
    observe = plain(stream, clock=Clock(), quiet=60.0)
    observe(Estimated(rates=()))
    waiting = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    assert waiting
    observe(Note(text="on"))
    for thread in waiting:
        thread.join()
    assert stream.getvalue() == "00:00  on\n"
