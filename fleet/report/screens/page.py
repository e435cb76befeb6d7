"""A page of the verdict screen: a sheet with the report that its sections are about."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.model.verdict import Report
from fleet.report.screens.sheet import Sheet


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Sheet):
    """What every section gets."""

    report: Report
