"""Plots of what could be: every option's gain, money against Hz, and what it gives to make one part faster."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from fleet.model.simulation import CUTS, Alternative, Simulation
from fleet.model.verdict import Option, Report
from fleet.report import wording
from fleet.report.figures import chosen, ranked
from fleet.report.html.figure import ACCENT, GRID, INK, KILO, MUTED, SERIES, WARN, Figure, axis, base_layout, error_bars
from fleet.report.html.markup import Json, heads, label
from fleet.report.screens.sheet import label_of
from fleet.units import kilohertz, kind_word, speed

_LONGEST = 46
"""Characters of a label before it is broken."""


def options(report: Report) -> Iterator[Figure]:
    """The gain of everything that could be done next, with its interval."""
    found = [option for option in ranked(report.analysis) if option.gain is not None]
    if not found:
        return
    pick = chosen(report.analysis)
    yield Figure(
        name="options",
        title="What each option would give",
        summary="Gain over the layout in service with its 95 % interval; right of the line is faster.",
        traces=(_gains(found, pick),),
        layout=base_layout(
            {**axis("gain, %"), "rangemode": "tozero", "zeroline": True, "zerolinecolor": INK, "zerolinewidth": 2},
            {**axis(), "autorange": "reversed", "gridcolor": "rgba(0,0,0,0)"},
        )
        | {"margin": {"l": 10, "r": 24, "t": 8, "b": 44}},
        columns=heads("option", ">gain, 95 % interval", ">cost", ">gain per cost", ">P(best)", "known by", "but"),
        rows=tuple(option_row(option, report.currency) for option in ranked(report.analysis)),
        height=90 + 52 * len(found),
        table_open=True,
    )


def _gains(found: Sequence[Option], pick: Option | None) -> Mapping[str, Json]:
    gains = [option.gain for option in found if option.gain is not None]
    colours = [MUTED if option.blocked else ACCENT if option is pick else SERIES[3] for option in found]
    return {
        "type": "scatter",
        "mode": "markers",
        "y": [_broken(option.label) for option in found],
        "x": [gain.value * 100 for gain in gains],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [(gain.high - gain.value) * 100 for gain in gains],
            "arrayminus": [(gain.value - gain.low) * 100 for gain in gains],
            "color": INK,
            "thickness": 1.5,
            "width": 5,
        },
        "marker": {"size": 13, "color": colours},
        "customdata": [
            f"{label(option.label)}<br>{wording.option_gain(option)}<br>"
            f"{wording.evidence(option.evidence, option.gain)}; P(best) {label(wording.probability(option.best))}"
            for option in found
        ],
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def option_row(option: Option, currency: str) -> tuple[str, ...]:
    """An option as texts."""
    return (
        option.label,
        wording.option_gain(option),
        wording.cost(option.choice, option.cost, currency),
        wording.gain_per_cost(option.gain, option.cost, currency),
        wording.probability(option.best),
        wording.evidence(option.evidence, option.gain),
        f"not possible: {option.blocked}" if option.blocked else "",
    )


def _broken(text: str) -> str:
    """A label on lines that a phone has room for."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) > _LONGEST // 2:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "<br>".join(map(label, lines))


def frontier(simulation: Simulation) -> Iterator[Figure]:
    """Hz against money: what was compared, and the stairs of what is not beaten by anything cheaper."""
    found = [one for one in simulation.ranking if one.monthly is not None]
    if not any(one.monthly for one in found):
        return
    best = unbeaten(found)
    currency = simulation.source.currency
    yield Figure(
        name="frontier",
        title="Money against speed",
        summary=(
            f"Expected {kilohertz()} over {currency} a month (paid once: spread over {simulation.months:g} months) of "
            f"{len(found)} feasible layouts. {len(best)} are beaten by nothing cheaper."
        ),
        traces=tuple(_frontier(found, best)),
        layout=base_layout(
            {**axis(f"{label(currency)} a month, added"), "rangemode": "tozero"},
            {**axis(f"expected {kilohertz()}"), "rangemode": "tozero"},
        ),
        columns=heads(
            "layout",
            ">expected",
            ">gain, 95 % interval",
            f">{currency} a month",
            ">P(best)",
            "known by",
            "unbeaten",
        ),
        rows=tuple((*_alternative(simulation, one), "yes" if one in best else "") for one in simulation.ranking),
        height=430,
        table_open=True,
        note="(E) extrapolation: beyond what was measured, a wider interval. Unbeaten: nothing cheaper is as fast.",
    )


def unbeaten(found: Sequence[Alternative]) -> tuple[Alternative, ...]:
    """Those that are faster than everything that costs as much or less, cheapest first."""
    stairs: list[Alternative] = []
    for one in sorted(found, key=lambda one: (one.monthly or 0.0, -one.prediction.hz.value)):
        if not stairs or one.prediction.hz.value > stairs[-1].prediction.hz.value:
            stairs.append(one)
    return tuple(stairs)


def _frontier(found: Sequence[Alternative], best: Sequence[Alternative]) -> Iterator[Mapping[str, Json]]:
    yield {
        "type": "scatter",
        "mode": "lines",
        "name": "not beaten by anything cheaper",
        "x": [one.monthly for one in best],
        "y": [one.prediction.hz.value / KILO for one in best],
        "line": {"color": ACCENT, "width": 2, "shape": "hv"},
        "hoverinfo": "skip",
    }
    groups = (
        ("inside the measured range", [one for one in found if not one.prediction.beyond], "circle", ACCENT),
        ("extrapolation", [one for one in found if one.prediction.beyond], "diamond-open", WARN),
    )
    for name, group, symbol, colour in groups:
        if group:
            hertz = [one.prediction.hz for one in group]
            yield {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": [one.monthly for one in group],
                "y": [hz.value / KILO for hz in hertz],
                "error_y": error_bars(hertz, colour),
                "marker": {"size": 10, "symbol": symbol, "color": colour, "line": {"width": 2, "color": colour}},
                "customdata": [
                    f"{label(label_of(one.prediction.layout))}<br>{wording.hertz(one.prediction.hz)}<br>"
                    f"{wording.gain(one.prediction.gain)}"
                    for one in group
                ],
                "hovertemplate": "%{customdata}<br>%{x:,.0f} a month<extra></extra>",
            }


def _alternative(simulation: Simulation, one: Alternative) -> tuple[str, ...]:
    found = one.prediction
    now = found.layout == simulation.current
    return (
        label_of(found.layout),
        wording.hertz_value(simulation.now.value if now else found.hz.value),
        "now" if now else wording.gain(found.gain),
        wording.NOTHING if one.monthly is None else f"{one.monthly:,.0f}",
        wording.probability(one.best),
        "measured" if now else "replay (E)" if found.beyond else "replay",
    )


def speedups(simulation: Simulation) -> Iterator[Figure]:
    """The gain in Hz when one part of the pipeline took less time."""
    curve = [part for part in simulation.curve if any(part.gains)]
    if not curve:
        return
    most = max(curve, key=lambda part: part.gains[-1])
    yield Figure(
        name="speedups",
        title="If one part took less time",
        summary=(
            f"Gain in {speed()} when one part is made faster, by replay of {simulation.curve_of.label}. The part that "
            f"matters most is {kind_word(most.part)}: {wording.percent(most.gains[2])} if it took half its time."
        ),
        traces=tuple(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": label(kind_word(part.part)),
                "x": [cut * 100 for cut in CUTS],
                "y": [gain * 100 if math.isfinite(gain) else None for gain in part.gains],
                "line": {"color": SERIES[place % len(SERIES)], "width": 2},
                "hovertemplate": "%{x:.0f} % less time: %{y:+.1f} %<extra>%{fullData.name}</extra>",
            }
            for place, part in enumerate(curve)
        ),
        layout=base_layout(
            {**axis("less time in this part, %"), "tickvals": [cut * 100 for cut in CUTS]},
            {**axis(f"gain in {speed()}, %"), "zerolinecolor": GRID},
        ),
        columns=heads("part", *(f">−{cut:.0%}" for cut in CUTS[1:])),
        rows=tuple((kind_word(part.part), *(wording.percent(gain) for gain in part.gains[1:])) for part in curve),
        height=340,
    )
