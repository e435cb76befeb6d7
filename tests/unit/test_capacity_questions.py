"""What people type: targets, budgets, deadlines, counts; and what they are told when it cannot be read."""

from __future__ import annotations

import pytest

from fleet.cli.options import seconds, timer
from fleet.cli.stored.capacity import _goal
from fleet.cli.stored.simulate import _count
from fleet.errors import ConfigurationError
from fleet.units import parse_deadline, parse_money


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2000/month", (2000.0, "month")),
        ("2,000 / Month", (2000.0, "month")),
        ("0.35/hour", (0.35, "hour")),
        ("900 once", (900.0, "once")),
    ],
)
def test_money_is_read(text: str, value: tuple[float, str]) -> None:
    """An amount and what it is for."""
    assert parse_money(text) == value


@pytest.mark.parametrize("text", ["", "2000", "-3/month", "2000/year", "once", "1e3 once", "/month"])
def test_money_that_cannot_be_read_says_what_can(text: str) -> None:
    """With an example of each form."""
    with pytest.raises(ValueError, match="2000/month"):
        parse_money(text)


@pytest.mark.parametrize(
    ("text", "cycles", "seconds"),
    [("10G cycles in 1h", 10**10, 3600.0), ("10G in 90m", 10**10, 5400.0), ("1 cycle in 2", 1, 2.0)],
)
def test_deadlines_are_read(text: str, cycles: int, seconds: float) -> None:
    """Cycles with a unit, and a time."""
    assert parse_deadline(text) == (cycles, seconds)


@pytest.mark.parametrize("text", ["", "10G", "10G cycles", "in 1h", "0 in 1h", "10G in 0", "10G in soon", "x in 1h"])
def test_deadlines_that_cannot_be_read_say_what_can(text: str) -> None:
    """With an example."""
    with pytest.raises(ValueError, match="10G cycles in 1h"):
        parse_deadline(text)


def test_goals_in_hertz_and_money() -> None:
    """A deadline is a rate; an hourly budget is a monthly one of 730 hours."""
    assert _goal("5MHz", None, None, "USD").hz == 5e6
    assert _goal(None, None, "10G cycles in 1h", "USD").hz == pytest.approx(10e9 / 3600)
    month, hour, once = (_goal(None, text, None, "EUR") for text in ("2000/month", "1/hour", "900 once"))
    assert (month.monthly, hour.monthly, once.once) == (2000, 730, 900)
    assert [goal.text for goal in (month, hour, once)] == [
        "for EUR 2,000 a month",
        "for EUR 1.00 an hour",
        "for EUR 900 once",
    ]


@pytest.mark.parametrize(
    "given",
    [
        (None, None, None),
        ("5MHz", "3/month", None),
        ("five", None, None),
        ("0", None, None),
        (None, "much", None),
        (None, None, "soon"),
    ],
)
def test_goals_that_cannot_be_read_are_one_line(given: tuple[str | None, str | None, str | None]) -> None:
    """None, several and nonsense alike."""
    with pytest.raises(ConfigurationError) as error:
        _goal(*given, "USD")
    assert "\n" not in str(error.value)


def test_counts_and_times_of_a_change() -> None:
    """Signs are welcome, words are not; the option is named."""
    assert [_count("--gpus", text) for text in ("+1", "-1", "2")] == [1, -1, 2]
    assert seconds("--rtt", "20ms") == pytest.approx(0.02)
    with pytest.raises(ConfigurationError, match="--gpus one"):
        _count("--gpus", "one")
    with pytest.raises(ConfigurationError, match="--rtt soon"):
        seconds("--rtt", "soon")


def test_a_timer_is_nought_or_can_be_played() -> None:
    """No timer at all, or one of a millisecond and more; anything between is refused by its option's name."""
    assert [timer("--poll", text) for text in ("0", "1ms", "2s")] == [0.0, 0.001, 2.0]
    with pytest.raises(ConfigurationError, match="--poll soon"):
        timer("--poll", "soon")
    with pytest.raises(ConfigurationError, match=r"--refresh 0\.0001: expected 0, or at least 1 ms"):
        timer("--refresh", "0.0001")
