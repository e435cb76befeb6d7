"""A diagnosis as SuperBench's own files: `diagnosis_summary` as .jsonl, .json, .md and .html, without its Excel file.

Markdown and HTML have one table, a host a row: its name, categories, details, and the figures that break a rule.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from fleet.analyse.diagnosis import Defect
from fleet.report.html.markup import Html, cls, el, heads, table
from fleet.report.markdown import escape, markdown_table

_MISSING = "N/A"
_DIGITS = 10
"""Behind the point, as SuperBench writes them."""


def diagnosis_jsonl(found: Sequence[Defect]) -> str:
    """A line for each defective host, its name as `index`."""
    lines = (
        {
            "Category": ",".join(one.categories),
            "Defective Details": ",".join(one.details),
            **_figures(one),
            "index": one.node,
        }
        for one in found
    )
    return "".join(f"{json.dumps(each)}\n" for each in lines)


def diagnosis_json(found: Sequence[Defect]) -> str:
    """One list of the defective hosts."""
    objects = [
        {
            "index": one.node,
            "diagnosis/category": ",".join(one.categories),
            "diagnosis/issue_details": ",".join(one.details),
            **_figures(one),
        }
        for one in found
    ]
    return json.dumps(objects, indent=4) + "\n"


def diagnosis_markdown(found: Sequence[Defect]) -> str:
    """A table of the defective hosts, its cells escaped; a line that says so where there are none."""
    if not found:
        return f"{_SOUND}\n"
    titles, *rows = _cells(found)
    return markdown_table(map(escape, titles), (map(escape, row) for row in rows)) + "\n"


def diagnosis_html(found: Sequence[Defect], style: str) -> str:
    """The same table as one file that loads nothing, in the report's `style`."""
    titles, *rows = _cells(found)
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    head = el(
        "head",
        el("meta", at={"charset": "utf-8"}),
        el("meta", at={"http-equiv": "Content-Security-Policy", "content": policy}),
        el("meta", at={"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        el("title", _TITLE),
        Html(f"<style>{style}</style>"),
    )
    shown = table(_COUNT.format(count=len(rows)), heads(*titles), rows) if rows else el("p", _SOUND)
    main = el("main", el("h1", _TITLE, at=cls("kicker")), shown)
    return f"<!doctype html>\n{el('html', head, el('body', main), at={'lang': 'en'}).markup}\n"


_TITLE = "Diagnosis by SuperBench's rules"
_SOUND = "No host breaks a rule."
_COUNT = "Hosts that break a rule: {count}"


def _cells(found: Sequence[Defect]) -> Iterator[tuple[str, ...]]:
    """The table's titles, then a row for each host; a figure that a host has not got is left empty."""
    figures = [_figures(one) for one in found]
    names = tuple(dict.fromkeys(name for each in figures for name in each))
    yield ("machine", "Category", "Defective Details", *names)
    for one, own in zip(found, figures, strict=True):
        yield (one.node, ",".join(one.categories), ",".join(one.details), *(str(own.get(name, "")) for name in names))


def _figures(one: Defect) -> dict[str, float | int | str]:
    return {name: _MISSING if value is None else _plain(value) for name, value in one.figures.items()}


def _plain(value: float) -> float | int:
    """As many digits as SuperBench gives; whole numbers without a point."""
    rounded = round(value, _DIGITS)
    return int(rounded) if rounded == int(rounded) else rounded
