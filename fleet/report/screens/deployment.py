"""A Bento deployment as it was found, on a page: what runs, what is set, who takes part, what nobody could tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from fleet.model.bento import Deployment, Generation, Part, Service, Stack
from fleet.report.lines import Line, Span, Style, clip, in_ascii, line, wrap
from fleet.report.table import Column, Row, table
from fleet.units import format_count, format_seconds

NARROWEST, WIDEST = 40, 110
_LABEL = 12
_DIGEST = 19
"""Characters of an image's digest that tell it from its like: `sha256:` and 12 digits."""
_STACKS = {Stack.LEGACY: "legacy: tasks in PostgreSQL", Stack.CURRENT: "current: tasks in Redis"}
_GENERATIONS = {
    Generation.SERVICES: "a service an agent",
    Generation.ONE_SERVICE: "one service that starts an agent for each GPU",
}
_SERVICES = (
    Column("service"),
    Column("state"),
    Column("restarts", right=True),
    Column("devices", flexible=True),
    Column("image", flexible=True),
)
_SETTINGS = (Column("setting"), Column("value", flexible=True), Column("default", flexible=True))


def deployment_lines(found: Deployment, *, width: int = 80, ascii_only: bool = False) -> tuple[Line, ...]:
    """The deployment as lines no wider than `width` cells (at least 40)."""
    width = min(max(width, NARROWEST), WIDEST)
    lines = [
        line(Span(f"BENTO ON {found.host}", Style.HEADING)),
        line(Span("━" * width, Style.STRONG)),
        *(part for label, text in _facts(found) for part in wrap([clip(text, 600)], width, first=_lead(label))),
        *_titled("SERVICES", table(_SERVICES, [_service(one) for one in found.services], width)),
        *_titled("SETTINGS", table(_SETTINGS, list(_settings(found)), width)),
    ]
    if found.unread:
        said = [part for text in found.unread for part in wrap([Span(text, Style.WARN)], width, first="  · ")]
        lines += _titled("NOT FOUND OUT", said)
    return tuple(map(in_ascii, lines)) if ascii_only else tuple(lines)


def _lead(label: str) -> str:
    return f"  {label.ljust(_LABEL)}"


def _titled(title: str, lines: tuple[Line, ...] | list[Line]) -> Iterator[Line]:
    yield Line()
    yield line(Span(title, Style.HEADING))
    yield from lines


def _facts(found: Deployment) -> Iterator[tuple[str, str]]:
    yield "stack", f"{_STACKS[found.stack]}; {_GENERATIONS[found.generation]}"
    files = f"{found.settings.compose}, {found.settings.env_file or 'its own .env'}"
    yield "project", f"{found.project}, Compose {found.compose_version}: {files}"
    gpus = ", ".join(f"{count}× {model}" for model, count in Counter(found.gpus).items())
    yield "GPUs", gpus or "none were found"
    executing = sum(one.alive for one in found.services if one.part is Part.EXECUTE)
    yield "agents", f"{found.agents} prove, {executing} execute"
    for part in (Part.BROKER, Part.MINER):
        for one in found.services:
            if one.part is part:
                yield part.value, _rival(found, one)
    yield "remote", "; ".join(f"{one.address} ({one.clients} connections)" for one in found.remote) or "no agents"


def _rival(found: Deployment, one: Service) -> str:
    """How a broker or a miner is, and what stopping it would mean."""
    if not one.alive:
        return one.state or "not there"
    orders = "its orders are unknown" if found.orders is None else f"{format_count(found.orders, 'order')} under way"
    told = f"{one.state}, {orders}" if one.part is Part.BROKER else one.state
    return f"{told}; told to stop, it gets {format_seconds(one.stop_grace)}"


def _service(one: Service) -> Row:
    style = Style.PLAIN if one.state == "running" else Style.DIM if one.state is None else Style.WARN
    digest = f" {one.digest[:_DIGEST]}" if one.digest else ""
    return (
        Span(clip(one.name, 40)),
        Span(one.state or "no container", style),
        Span(str(one.restarts) if one.restarts else "", Style.WARN),
        Span(", ".join(one.devices)),
        Span(f"{one.image}{digest}", Style.DIM),
    )


def _settings(found: Deployment) -> Iterator[Row]:
    """What is set, and what holds where nothing is."""
    for knob in found.knobs:
        if knob.value is not None or knob.default is not None:
            value = "" if knob.value is None else knob.value or "(empty)"
            yield Span(knob.name), Span(value, Style.STRONG), Span(knob.default or "", Style.DIM)
