"""What a trial tells while it runs and of itself: progress, the order to stop, lateness and the cost of dispatch."""

from __future__ import annotations

import pytest
from cluster_values import trial

from fleet.codec.text import dump_line
from fleet.model.wire import Goodbye, Progress, ToController, TrialRequest
from fleet.remote.cluster.agent import Did
from fleet.remote.cluster.pulse import LIFE_SECONDS, PROGRESS_SECONDS, Pulse, Stopped, heed
from fleet.remote.cluster.tally import Tally
from fleet.remote.mailbox import Gone, Line


def test_progress_is_told_at_a_bearable_rate_and_silence_never_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, then not before a quarter of a second; where nothing changes, every three seconds."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    said: list[ToController] = []
    pulse = Pulse("ab", 19, said.append)
    for later, done in ((0.0, 0), (0.01, 1), (PROGRESS_SECONDS, 2), (0.5, 2), (LIFE_SECONDS, 2), (0.01, 3)):
        now[0] += later
        pulse.beat(done)
    assert said == [Progress(trial="ab", done=done, total=19) for done in (0, 2, 2)]


@pytest.mark.parametrize(
    "item", [Gone("closed"), Line(dump_line(Goodbye())), Line("nonsense")], ids=["gone", "goodbye", "nonsense"]
)
def test_a_trial_stops_when_the_controller_does_not_want_it_any_more(item: Line | Gone) -> None:
    with pytest.raises(Stopped):
        heed(item)


def test_a_second_request_does_not_disturb_the_first() -> None:
    heed(Line(dump_line(TrialRequest(trial=trial("box/gpu0"), timeout=1.0))))


def test_lateness_is_the_share_of_the_agents_time_beyond_what_was_declared() -> None:
    """Two tasks of 1 s and 3 s, one of them 0.2 s late: 5 %. Dispatch is what the driver waited beyond them."""
    tally = Tally()
    assert (tally.lateness, tally.lines()) == (0.0, ())
    tally.add(Did(digest=(1,), seconds=1.0, transfer=0.0, late=0.2), 1.004)
    tally.add(Did(digest=(1,), seconds=3.0, transfer=0.0, late=0.0), 3.002)
    assert tally.lateness == pytest.approx(0.05)
    assert tally.lines() == (
        "driver: 2 tasks, dispatch and answer took 3.0 ms in the median and 4.0 ms at most; devices were late by 5.0 %",
    )
