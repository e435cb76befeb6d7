"""Workers on the screen: predicted against measured, and the list; no line wider than the screen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from planted_fleets import guide_box

from fleet.model.estimate import Estimate
from fleet.model.expansion import Marginal, Roster, Stage
from fleet.model.inventory import Per, Price, Prices
from fleet.ui.workers import marginal_lines, roster_lines


def rate(value: float) -> Estimate:
    return Estimate(value=value, low=value * 0.98, high=value * 1.02, n=3, unit="Hz")


def share(value: float, around: float = 0.04) -> Estimate:
    return Estimate(value=value, low=value - around, high=value + around, n=3, unit="")


FOUND = Marginal(
    host="far-2",
    without=rate(424_500),
    together=rate(626_700),
    gain=share(0.476),
    predicted=share(0.44),
    basis=("far-2: measured with 1 device",),
    pairs=3,
    precise=True,
    emulated=True,
)


def text(found: Marginal, width: int = 100) -> str:
    lines = marginal_lines(found, width)
    assert all(len(line.text) <= width for line in lines)
    return " ".join(" ".join(line.text for line in lines).split())


def test_predicted_and_measured_stand_side_by_side_and_emulated_figures_are_marked() -> None:
    said = text(FOUND)
    assert "predicted +44.0 % [+40.0, +48.0] by the twin, before the first trial with it" in said
    assert "measured +47.6 % [+43.6, +51.6] (95 % interval, 3 pairs without and with it, ABBA)" in said
    assert "without 424.5 kHz" in said
    assert "emulated" in said
    assert "emulated" not in text(replace(FOUND, emulated=False))


@pytest.mark.parametrize(
    ("predicted", "says"),
    [
        (share(0.44), "it gives what was expected"),
        (share(0.9), "less than was expected"),
        (share(0.1), "more than was expected"),
        (None, "nothing to replay"),
    ],
)
def test_whether_they_agree_is_said(predicted: Estimate | None, says: str) -> None:
    assert says in text(replace(FOUND, predicted=predicted))
    assert says in text(replace(FOUND, predicted=predicted), 40)


def test_an_interval_wider_than_wanted_is_said_to_be() -> None:
    assert "wider than was wanted" in text(replace(FOUND, precise=False))


def test_the_list_has_state_share_cost_and_who_does_not_answer() -> None:
    far = guide_box().host("far0")
    rows = (
        Roster(host=replace(far, name="a", candidate=False), problem=None, share=0.364),
        Roster(host=replace(far, name="b", drained=True, candidate=False), problem="no route to host", share=None),
        Roster(host=replace(far, name="c", cost=Price(amount=1.2, per=Per.HOUR)), problem=None, share=None),
        Roster(host=replace(far, name="d"), problem=None, share=None, stage=Stage.MEASURE),
    )
    lines = roster_lines(rows, Prices(worker=Price(amount=2000, per=Per.ONCE)), 120)
    by_name = {line.text.split()[0]: line.text for line in lines}
    assert "in service" in by_name["a"]
    assert "36.4 %" in by_name["a"]
    assert "USD 2,000 once" in by_name["a"]
    assert "drained" in by_name["b"]
    assert "candidate" in by_name["c"]
    assert "USD 1.20 an hour" in by_name["c"]
    assert "half added (measure)" in by_name["d"]
    assert any("b does not answer: no route to host" in line.text for line in lines)
    assert "There are no workers" in roster_lines((), Prices(), 80)[0].text
