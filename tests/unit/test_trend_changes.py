"""Change points of planted series: how often one is seen where there is none, and how often a planted one is found."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from kept_runs import DAY, UNDER, digest, planted_run
from model_values import layout

from fleet.analyse import analyse
from fleet.analyse.across.changepoints import FEWEST, change_points
from fleet.analyse.across.digest import digest_of
from fleet.analyse.across.trend import trend_of
from fleet.model.catalogue import Circumstance, Digest
from fleet.report.screens.trend import headline, spark, trend_lines
from fleet.report.structured.trend import trend_json

NOISE = 0.02
WIDE = replace(layout(), po2=22)


def series(chance: random.Random, *levels: tuple[int, float]) -> list[float]:
    """So many values around each level."""
    return [level + chance.gauss(0, NOISE) for count, level in levels for _ in range(count)]


def places(values: Sequence[float]) -> list[int]:
    return [one.at for one in change_points(values, 0.05)]


@pytest.mark.parametrize("length", [FEWEST, 8, 20, 60])
def test_where_nothing_changes_one_in_twenty_series_is_wrong_at_most(length: int) -> None:
    """Whatever the length; 500 series, so that 5 % ± 2 % can be told from 10 %."""
    chance = random.Random(length)  # noqa: S311 (planted noise)
    wrong = sum(bool(places(series(chance, (length, 0.0)))) for _ in range(500))
    assert wrong / 500 <= 0.075


@pytest.mark.parametrize(
    ("before", "after", "step", "power"),
    [(10, 10, -0.05, 0.85), (10, 10, 0.10, 0.99), (15, 2, -0.10, 0.85), (4, 4, -0.10, 0.9)],
)
def test_a_planted_step_is_found_where_it_is(before: int, after: int, step: float, power: float) -> None:
    """At 2 % noise a step of 5 % between ten runs and ten; one of 10 % from the second run on; within one run."""
    chance = random.Random(f"{before} {after} {step}")  # noqa: S311 (planted noise)
    found = sum(
        any(abs(at - before) <= 1 for at in places(series(chance, (before, 0.0), (after, step)))) for _ in range(200)
    )
    assert found / 200 >= power


def test_a_dip_is_two_steps_and_a_staircase_is_found_step_by_step() -> None:
    """A level that comes back hides neither of its ends."""
    chance = random.Random(5)  # noqa: S311 (planted noise)
    dips = [places(series(chance, (10, 0.0), (8, -0.1), (10, 0.0))) for _ in range(100)]
    assert sum(found == [10, 18] for found in dips) >= 85
    stairs = [places(series(chance, (8, 0.0), (8, 0.1), (8, 0.2), (8, 0.3))) for _ in range(100)]
    assert sum(found == [8, 16, 24] for found in stairs) >= 80


def test_a_true_change_costs_no_false_ones() -> None:
    """The parts in which nothing changes share the level: next to a planted step a second is as seldom as ever."""
    chance = random.Random(9)  # noqa: S311 (planted noise)
    found = [places(series(chance, (8, 0.0), (8, -0.15))) for _ in range(300)]
    assert sum(len(each) == 1 for each in found) >= 280
    assert all(8 in each or 7 in each or 9 in each for each in found)


def test_one_bad_run_is_no_level() -> None:
    """A single outlier in mid-series makes no change point of its own; nor do equal values, or too few."""
    assert places([0.0, 0.01, -0.01, 0.0, -0.5, 0.01, 0.0, -0.01, 0.01, 0.0]) == []
    assert places([1.0] * 12) == []
    assert places([0.0, 0.0, 1.0, 1.0]) == []


def fleet(levels: Sequence[float], *, seed: int = 1, wide: Sequence[float] = ()) -> list[Digest]:
    """A run a day with these rates in kHz, give or take one percent; a second layout where it is given."""
    chance = random.Random(seed)  # noqa: S311 (planted noise)

    def rates(level: float) -> tuple[float, ...]:
        centre = level * 1e3 * (1 + chance.gauss(0, 0.01))
        return (centre * 0.99, centre * 1.01)

    found = []
    for day, level in enumerate(levels):
        second = ((WIDE, rates(wide[day])),) if wide else ()
        found.append(digest(f"run-{day:02}", (layout(), rates(level)), *second, created=day * DAY))
    return found


def under(run: str) -> Sequence[Circumstance]:
    """The kernel is another one from the eighth run on."""
    return (UNDER[0], Circumstance(name="box kernel", value="6.1" if run < "run-08" else "6.9"))


def test_a_change_is_told_with_its_size_its_run_and_what_had_changed() -> None:
    """12 % down with a new kernel; the layout that stayed has no change."""
    found = trend_of(fleet([100.0] * 8 + [88.0] * 6, wide=[300.0] * 14), under)
    changed, stayed = found.series
    (shift,) = changed.shifts
    assert (shift.before, shift.at, shift.created) == ("run-07", "run-08", 8 * DAY)
    assert shift.change.low < -0.12 < shift.change.high
    assert shift.change.high - shift.change.low < 0.06
    assert [(one.name, one.then, one.now) for one in shift.changed] == [("box kernel", "6.1", "6.9")]
    assert changed.now.low < 88e3 < changed.now.high
    assert stayed.shifts == ()
    assert headline(found) == "1 layout of 2 layouts in 14 runs of lab changed, at 1 place"


def test_a_change_that_is_not_worth_a_word_is_none() -> None:
    """Clear, but 5 % where 10 % is asked for."""
    runs = fleet([100.0] * 10 + [95.0] * 10)
    assert trend_of(runs, under).series[0].shifts
    assert trend_of(runs, under, worth=0.1).series[0].shifts == ()


def test_the_latest_run_alone_is_astray_and_no_change() -> None:
    """A tenth below the level of ten runs; the level is told without it being new."""
    found = trend_of(fleet([100.0] * 10 + [88.0]), under).series[0]
    assert found.shifts == ()
    assert found.astray is not None
    assert found.astray.low < -0.12 < found.astray.high
    assert trend_of(fleet([100.0] * 11), under).series[0].astray is None


def test_only_runs_like_the_latest_count() -> None:
    """Others are counted as left out."""
    runs = fleet([50.0] * 6 + [100.0] * 6)
    other = (Circumstance(name="figures", value="real"),)
    runs = [replace(one, terms=other) if at < 6 else one for at, one in enumerate(runs)]
    found = trend_of(runs, under)
    assert (found.runs, found.left_out) == (6, 6)
    assert found.series[0].shifts == ()


def test_many_layouts_share_the_level() -> None:
    """Twenty layouts of nothing but noise: the chance of any false change in all of them stays near 5 %."""
    chance = random.Random(11)  # noqa: S311 (planted noise)
    layouts = [replace(layout(), po2=14 + at) for at in range(20)]
    wrong = 0
    for _ in range(40):
        runs = [
            digest(f"r{day:02}", *((one, (1e5 * math.exp(chance.gauss(0, 0.03)),)) for one in layouts), created=day)
            for day in range(12)
        ]
        wrong += any(one.shifts for one in trend_of(runs, under).series)
    assert wrong <= 6


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_screen_fits_and_marks_the_place(width: int) -> None:
    """The mark stands under the first run of the new level; many runs are drawn as one line."""
    found = trend_of(fleet([100.0] * 8 + [88.0] * 6, seed=2), under)
    lines = [one.text for one in trend_lines(found, width)]
    assert lines[0].startswith(" EMULATED  1 layout of 1 layout in 14 runs")
    drawn = next(at for at, text in enumerate(lines) if "█" in text)
    assert lines[drawn + 1].index("^") == 2 + 8
    assert any("box kernel: 6.1 → 6.9" in text for text in lines)
    many = trend_of(fleet([100.0] * 300 + [88.0] * 200), under)
    assert all(len(one.text) <= width for one in trend_lines(many, width))
    assert all(one.text.isascii() for one in trend_lines(many, width, ascii_only=True))


def test_a_spark_line_does_not_make_mountains_of_noise() -> None:
    """The whole height is a tenth of the level at least."""
    assert spark([100.0, 100.5, 99.5]) == "▅▅▄"
    assert spark([50.0, 100.0]) == "▁█"
    assert spark([0.0, 0.0]) == "▅▅"


def test_too_few_runs_say_so_and_the_json_has_every_point() -> None:
    """Four runs: no verdict and no level; the latest figure is told, by what it differs, and what tells more."""
    found = trend_of(fleet([100.0, 50.0, 100.0, 50.0]), under)
    assert headline(found) == "Too few runs for a trend: 4 of lab, it takes 5"
    lines = [one.text for one in trend_lines(found, 80)]
    assert any(re.search(r"  now [\d.]+ kHz, -[45]\d\.\d % from the run before$", text) for text in lines)
    assert not any("[" in text for text in lines)
    assert any("fleet compare RUN RUN" in text for text in lines)
    told = json.loads(trend_json(found))
    assert [point["run"] for point in told["series"][0]["points"]] == ["run-00", "run-01", "run-02", "run-03"]
    assert told["series"][0]["change_points"] == []


def test_a_runs_figure_is_the_reports_own() -> None:
    """Also where trials took equally long and did unlike work, as those of a command that tells its rate."""
    log = planted_run(3)
    first = {seen.trial.layout: seen.trial.id for seen in reversed(log.observations)}
    unlike = [
        replace(seen, jobs=tuple(replace(job, total_cycles=2 * job.total_cycles) for job in seen.jobs))
        if first[seen.trial.layout] == seen.trial.id
        else seen
        for seen in log.observations
    ]
    log = replace(log, observations=tuple(unlike))
    analysis = analyse(log)
    reported = {(one.layout, one.jobs): one.hz.value for one in analysis.throughputs}
    figures = digest_of(log, analysis.verdict).figures
    assert any(max(one.rates) > 1.5 * min(one.rates) for one in figures)
    assert {(one.layout, one.load.jobs): one.hz for one in figures} == pytest.approx(reported)
