"""A diagnosis by SuperBench's rules as a page for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fleet.analyse.diagnosis import Defect
from fleet.report.lines import Line, Span, Style, clip, line, wrap

_LONGEST = 400


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
