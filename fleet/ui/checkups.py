"""The doctor's findings as a list for each host, cures below what is not green. Pure: what `screen` prints."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.model.checkup import Check, Checkup, Diagnosis, Light
from fleet.report.lines import Line, Span, Style, clip, line, wrap

_NAME = 18
"""As the longest name of a check and a gap: `gpu0 to the card`."""
_LONGEST = 2000
_SIGNS = {Light.GREEN: "✓", Light.AMBER: "•", Light.RED: "✗"}
_STYLES = {Light.GREEN: Style.GOOD, Light.AMBER: Style.WARN, Light.RED: Style.BAD}


def diagnosis_lines(diagnosis: Diagnosis, width: int) -> tuple[Line, ...]:
    """Every host with its checks, then how many there are of each light."""
    lines = [part for checkup in diagnosis.checkups for part in _checkup(checkup, width)]
    counts = [Span(f"{diagnosis.count(light)} {light.value}", _STYLES[light]) for light in Light]
    return (*lines, Line(), line(counts[0], ", ", counts[1], ", ", counts[2]))


def _checkup(checkup: Checkup, width: int) -> Iterator[Line]:
    worst = next(
        light for light in reversed(Light) if light in {check.light for check in checkup.checks} | {Light.GREEN}
    )
    yield Line()
    yield line(Span(checkup.host.upper(), Style.HEADING), " ", Span(_SIGNS[worst], _STYLES[worst]))
    for check in checkup.checks:
        yield from _check(check, width)


def _check(check: Check, width: int) -> Iterator[Line]:
    """Sign, name and what was seen; the cure on lines of its own."""
    style = Style.PLAIN if check.light is Light.GREEN else _STYLES[check.light]
    lead = f"  {_SIGNS[check.light]} {check.name.ljust(_NAME)}"
    yield from wrap([Span(clip(check.seen, _LONGEST), style)], width, first=lead)
    if check.cure:
        yield from wrap([Span(check.cure, Style.DIM)], width, first=" " * len(lead) + "→ ", rest=" " * (len(lead) + 2))
