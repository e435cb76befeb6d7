"""Host keys as a table, to be compared with what the hosts' owners say. Pure: what `screen` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fleet.model.facts import Failure
from fleet.model.trust import HostKey, Introduction, KeyState
from fleet.report.lines import Line, Span, Style, clip, line, wrap
from fleet.report.table import Column, table

_STYLES = {KeyState.KNOWN: Style.GOOD, KeyState.NEW: Style.WARN, KeyState.CHANGED: Style.BAD}
# None may wrap: what is compared, or copied, is whole, in a list where the screen is narrow.
_COLUMNS = (Column("host"), Column("known as"), Column("type"), Column("fingerprint"), Column("state"))
_LONGEST = 2000


def key_lines(introductions: Sequence[Introduction], failures: Sequence[Failure], width: int) -> tuple[Line, ...]:
    """A row for each key that is offered; under a changed one those that are pinned. Then the hosts that show none."""
    rows = [row for one in introductions for row in _rows(one)]
    lines = [Line(), line(Span("HOST KEYS", Style.HEADING)), *(table(_COLUMNS, rows, width) if rows else ())]
    for failure in failures:
        cure = [Span(f"  {failure.hint}", Style.STRONG)] if failure.hint else []
        said = Span(f" shows no key: {clip(failure.message, _LONGEST)}")
        lines += wrap([Span(failure.host, Style.BAD), said, *cure], width, first="  ✗ ")
    return tuple(lines)


def _rows(one: Introduction) -> Iterator[tuple[Span, ...]]:
    state = Span(one.state.value.upper() if one.state is KeyState.CHANGED else one.state.value, _STYLES[one.state])
    yield (
        Span(f"{one.host} (jump host)" if one.jump else one.host, Style.STRONG),
        Span(one.known_as),
        *_key(one.offered),
        state,
    )
    if one.state is KeyState.CHANGED:
        for key in one.pinned:
            yield (Span(""), Span(""), *_key(key), Span("is pinned", Style.DIM))


def _key(key: HostKey) -> tuple[Span, Span]:
    return Span(key.kind), Span(key.fingerprint)
