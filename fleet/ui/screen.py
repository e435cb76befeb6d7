"""Print reports, plans, tables and errors, in colour where the stream can show it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from fleet.errors import FleetError
from fleet.model.catalogue import RunEntry
from fleet.model.checkup import Diagnosis
from fleet.model.facts import Failure, Survey
from fleet.model.inventory import Inventory
from fleet.model.playbook import StepReport
from fleet.model.trial import Plan
from fleet.model.trust import Introduction
from fleet.model.verdict import Report
from fleet.report.lines import line
from fleet.report.screens.catalogue import entry_lines
from fleet.report.screens.terminal import brief, screen
from fleet.ui import tables
from fleet.ui.checkups import diagnosis_lines
from fleet.ui.keytable import key_lines
from fleet.ui.paint import console_of, paint
from fleet.ui.showing import show, width_of
from fleet.ui.streams import can_show_unicode
from fleet.ui.troubles import error_lines

__all__ = [
    "show",
    "show_diagnosis",
    "show_error",
    "show_keys",
    "show_plan",
    "show_report",
    "show_runs",
    "show_steps",
    "show_survey",
    "width_of",
    "working",
]


def show_report(report: Report, *, whole: bool = False, stream: TextIO | None = None) -> None:
    """The verdict screen, on a page, or the `whole` of it."""
    stream = stream or sys.stdout
    page = screen if whole else brief
    show(page(report, width=width_of(stream), ascii_only=not can_show_unicode(stream)), stream=stream)


def show_error(error: FleetError, *, stream: TextIO | None = None) -> None:
    """What went wrong, where, why and what to do, on standard error."""
    stream = stream or sys.stderr
    show(error_lines(error, width_of(stream)), stream=stream)


def show_plan(plan: Plan, inventory: Inventory, *, stream: TextIO | None = None) -> None:
    """What would be measured."""
    show(tables.plan_lines(plan, inventory, width_of(stream)), stream=stream)


def show_survey(survey: Survey, *, stream: TextIO | None = None) -> None:
    """The hosts as they were found."""
    show(tables.survey_lines(survey, width_of(stream)), stream=stream)


def show_steps(reports: Sequence[StepReport], *, stream: TextIO | None = None) -> None:
    """What provisioning found or did."""
    show(tables.step_lines(reports, width_of(stream)), stream=stream)


@contextmanager
def working(text: str, *, stream: TextIO | None = None) -> Iterator[None]:
    """A line that says what goes on for as long as it does, where the stream (standard error) is a terminal."""
    console = console_of(stream or sys.stderr)
    if not console.is_terminal:
        yield
        return
    with console.status(paint([line(text)], unicode=can_show_unicode(console.file)), spinner="line"):
        yield


def show_runs(runs: Iterable[RunEntry], *, chosen: bool = False, stream: TextIO | None = None) -> None:
    """The kept runs; `chosen`: some of them, by what was asked for."""
    show(entry_lines(runs, width_of(stream), chosen=chosen), stream=stream)


def show_keys(
    introductions: Sequence[Introduction], failures: Sequence[Failure], *, stream: TextIO | None = None
) -> None:
    """The hosts' keys, to be compared."""
    show(key_lines(introductions, failures, width_of(stream)), stream=stream)


def show_diagnosis(diagnosis: Diagnosis, *, stream: TextIO | None = None) -> None:
    """What the doctor found."""
    show(diagnosis_lines(diagnosis, width_of(stream)), stream=stream)
