"""A bar of text: solid up to the low end of the interval, light over the interval, a mark at the upper bound."""

from __future__ import annotations

import math

from fleet.report.lines import Span, Style

_SOLID, _LIGHT = "█", "▒"
MARK = "┊"


def bar(*, low: float, high: float, bound: float | None, top: float, width: int, style: Style) -> tuple[Span, ...]:
    """At most `width` cells, which stand for 0 to `top`; ends that are not finite are drawn at the chart's ends."""
    solid = _cell(low, top, width)
    light = max(_cell(high, top, width), solid + 1) - solid
    drawn = (Span(_SOLID * solid, style), Span(_LIGHT * min(light, width - solid), style))
    if bound is None:
        return drawn
    gap = _cell(bound, top, width - 1) - solid - light
    return (*drawn, Span(" " * gap + MARK, Style.DIM)) if gap >= 0 else drawn


def _cell(value: float, top: float, width: int) -> int:
    if not math.isfinite(value):
        return width if value > 0 else 0
    return round(min(max(value / top, 0.0), 1.0) * width) if top > 0 else 0
