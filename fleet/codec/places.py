"""Where the entries of a YAML text's mappings stand in it, from the parser's own marks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import yaml
from yaml.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A value's characters, `start` up to `end`, comments behind it not included. `entries`: of a mapping."""

    start: int
    end: int
    entries: Entries | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A key that is plain text, where it starts, and its value's place."""

    key: str
    start: int
    value: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """A mapping that is written out: `{…}` (`flow`, `start` at the brace), or a line or more for each entry."""

    flow: bool
    start: int
    entries: tuple[Entry, ...]

    def get(self, key: str) -> Entry | None:
        """The entry of that key."""
        return next((entry for entry in self.entries if entry.key == key), None)


def places(text: str) -> Entries | None:
    """The places in a text that is YAML; None where it is no mapping. An alias is a place without entries."""
    events: Iterator[Event] = yaml.parse(text, Loader=yaml.SafeLoader)
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            return _place(text, next(events), events)[1].entries
    return None


def _place(text: str, event: Event, events: Iterator[Event]) -> tuple[str, Place]:
    """A node's text where it is a scalar, and its place."""
    start, end = _span(event)
    match event:
        case yaml.ScalarEvent():
            if event.style in {"|", ">"}:
                end = start + len(text[start:end].rstrip())
            return str(event.value), Place(start=start, end=end)
        case yaml.MappingStartEvent():
            return "", _mapping(text, event, events)
        case yaml.SequenceStartEvent():
            while not isinstance(after := next(events), yaml.SequenceEndEvent):
                end = _place(text, after, events)[1].end
            return "", Place(start=start, end=_span(after)[1] if event.flow_style else end)
        case _:
            return "", Place(start=start, end=end)


def _mapping(text: str, event: yaml.MappingStartEvent, events: Iterator[Event]) -> Place:
    # The mark of the start event ends behind the brace; an anchor or a tag may stand before it.
    start, end = _span(event)
    brace = end - 1
    entries = []
    while not isinstance(after := next(events), yaml.MappingEndEvent):
        key, place = _place(text, after, events)
        _, value = _place(text, next(events), events)
        entries.append(Entry(key=key, start=place.start, value=value))
        end = value.end
    flow = bool(event.flow_style)
    return Place(
        start=start,
        end=_span(after)[1] if flow else end,
        entries=Entries(flow=flow, start=brace, entries=tuple(entries)),
    )


def _span(event: Event) -> tuple[int, int]:
    """Where an event's text starts and ends, in characters. The marks are there whenever a text is parsed."""
    if event.start_mark is None or event.end_mark is None:
        raise ValueError("the event has no place")
    return event.start_mark.index, event.end_mark.index
