"""The report's history panel: there where there are earlier runs, with marks, a table, and what had changed."""

from __future__ import annotations

from dataclasses import replace

from kept_runs import DAY, digest, planted_run
from model_values import layout
from report_pages import ASSETS, HOSTILE

from fleet.analyse import analyse
from fleet.analyse.across.trend import trend_of
from fleet.model.catalogue import Circumstance
from fleet.model.trend import Trend
from fleet.report.build import build
from fleet.report.html import Dossier, page
from fleet.report.html.past import changes, levels


def trend(runs: int, word: str = "6.9") -> Trend:
    """A run a day; from the seventh on 15 % slower, with another kernel."""
    rates = [1e5 * (1 + (day % 3) / 200) * (0.85 if day >= 6 else 1) for day in range(runs)]
    kept = [digest(f"run-{day:02}", (layout(), (rate,)), created=day * DAY) for day, rate in enumerate(rates)]
    return trend_of(kept, lambda run: [Circumstance(name="box kernel", value=word if run >= "run-06" else "6.1")])


def test_the_panel_is_there_only_where_there_is_a_past() -> None:
    """Nobody has looked, one run alone, or several."""
    log = planted_run(1)
    shown = Dossier(report=build(log, analyse(log)), log=log)
    assert "panel-past" not in page(shown, ASSETS)
    assert "panel-past" not in page(replace(shown, trend=trend(1)), ASSETS)
    text = page(replace(shown, trend=trend(12)), ASSETS)
    assert "panel-past" in text
    assert 'id="tab-past"' in text
    assert "box kernel: 6.1 → 6.9" in text


def test_the_new_level_is_marked_and_told_in_the_table() -> None:
    """A diamond at the seventh run; its row says by how much."""
    (figure,) = levels(trend(12))
    (trace,) = figure.traces
    marker = trace["marker"]
    assert isinstance(marker, dict)
    assert [place for place, symbol in enumerate(marker["symbol"]) if symbol == "diamond"] == [6]
    assert [row[1] for row in figure.rows if row[5]] == ["run-06"]
    assert len(figure.rows) == 12
    assert str(figure.rows[6][5]).startswith("new: -15")


def test_what_is_asked_for_is_drawn_before_the_rest() -> None:
    """However many layouts there are, and though one run alone has it; who is not asked for needs two runs."""
    found = trend(4)
    (common,) = found.series
    others = tuple(replace(common, layout=replace(common.layout, po2=po2)) for po2 in range(10, 19))
    once = tuple(replace(common, layout=replace(common.layout, po2=po2), points=common.points[:1]) for po2 in (21, 22))
    wide = replace(found, series=(*others, *once))
    (figure,) = levels(wide, (once[0].layout, None))
    names = [str(row[0]) for row in figure.rows]
    assert "po2 21" in names[0]
    assert not any("po2 22" in name for name in names)
    assert len(figure.traces) == 8


def test_what_hosts_say_is_never_markup() -> None:
    """A kernel's name that would be a tag."""
    for word in HOSTILE:
        assert "<img" not in changes(trend(12, word)).markup
        assert "<script" not in changes(trend(12, word)).markup
