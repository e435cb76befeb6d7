"""What explains the figures is in every rendering: both measures, company and its causes, what a job is made of."""

from __future__ import annotations

import json
import re
from contextvars import copy_context

import pytest
from jsonschema import Draft202012Validator
from planted_campaigns import blind, faulty, plain_box, whole_campaign
from planted_fleets import guide_box
from planted_machine import Truth

from fleet.analyse import analyse
from fleet.model.record import RunLog
from fleet.model.trial import Goal
from fleet.model.verdict import Report
from fleet.report import wording
from fleet.report.build import build
from fleet.report.markdown import markdown
from fleet.report.screens.anatomy import blocks
from fleet.report.screens.terminal import screen
from fleet.report.structured.run import schema, to_json
from fleet.units import Idiom, speak

CALM = Truth(trial_noise=0.01, task_noise=0.01, dispatch=0.08)


def report_of(log: RunLog) -> Report:
    return build(log, analyse(log))


def text_of(report: Report, width: int = 80) -> str:
    return "\n".join(line.text for line in screen(report, width=width))


def test_the_screen_tells_cause_measures_and_parts() -> None:
    """By their titles, with the planted cause named, and who was cleared."""
    shown = text_of(report_of(faulty("bus")))
    for title in ("ONE JOB AGAINST 3 AT ONCE", "WHAT COMPANY DOES", "WHAT IT COMES FROM", "WHAT A JOB IS MADE OF"):
        assert title in shown
    assert "the cause  the bus that the box's devices" in shown
    assert "1.26×" in shown
    assert "no schedule is shorter than its largest part" in shown


def test_pieces_of_a_told_rate_are_no_tasks() -> None:
    """Nobody timed them, and a row of them says so."""

    def say() -> str:
        speak(Idiom(unit="MB/s", runs=True, pieces=True))
        return text_of(report_of(faulty("bus")))

    shown = copy_context().run(say)
    assert re.search(r"task +on +seconds each +95 % interval +pieces\n +piece of a run +box ", shown)
    assert wording.PIECES in " ".join(shown.split())


@pytest.mark.parametrize("width", [40, 80, 110])
def test_no_line_is_wider_than_the_screen(width: int) -> None:
    """Whatever is explained fits."""
    report = report_of(faulty("bus"))
    assert max(line.width for line in screen(report, width=width)) <= width


def test_where_nobody_is_convicted_the_changes_are_listed() -> None:
    """Every suspect that is not known comes with the one change that would show it."""
    report = report_of(blind(faulty("power")))
    (block,) = (block for block in blocks(report) if block.title == "WHAT IT COMES FROM")
    assert {row[0] for row in block.rows} == {"not known"}
    assert any("2 devices in 2 boxes" in line for line in block.bullets)
    assert any("power limit" in line for line in block.bullets)


def test_what_was_not_looked_at_has_no_block() -> None:
    """A fleet of one card with no neighbour: nothing is said of company."""
    titles = {block.title for block in blocks(report_of(whole_campaign(plain_box(1), CALM)))}
    assert "WHAT IT COMES FROM" not in titles
    assert "WHAT A JOB IS MADE OF" in titles


@pytest.mark.parametrize("goal", Goal)
def test_json_and_markdown_have_all_of_it(goal: Goal) -> None:
    """The JSON is valid under its schema and holds every layout; the Markdown has the same tables."""
    report = report_of(whole_campaign(guide_box(), CALM, goal=goal))
    found = json.loads(to_json(report))
    Draft202012Validator(schema()).validate(found)
    assert found["goal"] == goal.value
    assert [one["code"] for one in found["suspects"] if one["standing"] == "cause"] == ["bus"]
    assert {one["layout"] for one in found["decomposition"]} == {one["layout"] for one in found["throughput"]}
    assert all(abs(one["busy"] + one["dispatch"] + one["task_graph"] - 1) < 1e-9 for one in found["decomposition"])
    assert len(found["measures"]) == 2
    assert found["efficiency"][0]["efficiency"]["value"] == pytest.approx(1.0, abs=0.05)
    written = markdown(report)
    assert "## One job against 3 at once" in written
    assert "| the cause |" in written


def test_the_verdicts_measure_leads() -> None:
    """With capacity as the goal it is said at the top, and the loads of several jobs come first."""
    shown = text_of(report_of(whole_campaign(guide_box(), CALM, goal=Goal.CAPACITY)))
    assert "goal         capacity: what several jobs at once get done" in shown
    first, *_ = (line for line in shown.splitlines() if line.startswith("THROUGHPUT BY LAYOUT"))
    assert "3 jobs" in first
