"""A diagnosis as SuperBench writes it, `diagnosis_summary.jsonl` and `.json`, and as a page for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from fleet.analyse.diagnosis import Defect
from fleet.report.lines import Line, Span, Style, clip, line, wrap

_MISSING = "N/A"
_DIGITS = 10
"""Behind the point, as SuperBench writes them."""
_LONGEST = 400


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


def diagnosis_lines(found: Sequence[Defect], hosts: int, width: int) -> Iterator[Line]:
    """How many hosts are sound, then each that is not with every rule that it breaks."""
    sound = hosts - len(found)
    style = Style.GOOD if not found else Style.WARN
    yield line(Span(f"{sound} of {hosts} hosts break no rule", style))
    for one in found:
        yield Line()
        yield from wrap([Span(one.node, Style.STRONG), f"  {', '.join(one.categories)}"], width)
        for detail in one.details:
            yield from wrap([Span(clip(detail, _LONGEST), Style.BAD)], width, first="  ✗ ")


def _figures(one: Defect) -> dict[str, float | int | str]:
    return {name: _MISSING if value is None else _plain(value) for name, value in one.figures.items()}


def _plain(value: float) -> float | int:
    """As many digits as SuperBench gives; whole numbers without a point."""
    rounded = round(value, _DIGITS)
    return int(rounded) if rounded == int(rounded) else rounded
