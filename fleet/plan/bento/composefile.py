"""A compose file as `docker compose config` writes it out: anchors resolved, paths whole, variables still open."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from fleet.model.bento import Generation, Part, Stack
from fleet.plan.bento.roles import command_text, one_for_all, part_of
from fleet.plan.bento.trees import Tree, items, mapping, text

GRACE = 10.0
"""Seconds that a container gets to end by itself where its file names none: the engine's default."""
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]*")
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeFile:
    """What a project is made of. `version`: the file's own, where it names one, as Compose v1 wants it repeated."""

    name: str | None
    version: str | None
    services: Mapping[str, Tree]
    networks: Mapping[str, Tree]
    volumes: Mapping[str, Tree]

    def parts(self) -> Mapping[str, Part]:
        """What each service is there for, by its name."""
        return {name: part_of(name, command_text(service)) for name, service in self.services.items()}

    def of(self, part: Part) -> tuple[str, ...]:
        """The services of one part."""
        return tuple(name for name, found in self.parts().items() if found is part)


def compose_file(value: object) -> ComposeFile:
    """The project in what `config` wrote. ValueError for what is none."""
    whole = mapping(value, "the compose file")
    services = mapping(whole.get("services"), "services")
    for name in services:
        if not _NAME.fullmatch(name):
            raise ValueError(f"services: `{name[:40]}` is no service's name")
    return ComposeFile(
        name=text(whole.get("name"), "name") or None,
        version=str(whole["version"]) if "version" in whole else None,
        services={name: mapping(service, f"services.{name}") for name, service in services.items()},
        networks=_named(whole.get("networks"), "networks"),
        volumes=_named(whole.get("volumes"), "volumes"),
    )


def _named(value: object, what: str) -> Mapping[str, Tree]:
    return {name: mapping(inner, f"{what}.{name}") for name, inner in mapping(value, what).items()}


def environment(service: Tree) -> dict[str, str | None]:
    """A service's variables, however the file writes them; None = taken from where Compose runs."""
    given = service.get("environment")
    if isinstance(given, list):
        pairs = (text(item, "environment").partition("=") for item in items(given, "environment"))
        return {name: value if sign else None for name, sign, value in pairs}
    return {name: None if value is None else _scalar(value) for name, value in mapping(given, "environment").items()}


def _scalar(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def grace(service: Tree) -> float:
    """Seconds that a service gets to end by itself. ValueError for what is no duration."""
    given = service.get("stop_grace_period")
    if given is None:
        return GRACE
    match = _DURATION.fullmatch(str(given))
    if match is None or not str(given):
        raise ValueError(f"stop_grace_period: expected a duration such as 3h, found {str(given)[:20]}")
    hours, minutes, seconds, thousandths = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds + thousandths / 1000


def stack_of(file: ComposeFile) -> Stack:
    """Which stack it is: only the legacy one's agents are told of a database."""
    parts = file.parts()
    agents = [environment(file.services[name]) for name, part in parts.items() if part in {Part.PROVE, Part.EXECUTE}]
    legacy = Part.POSTGRES in parts.values() or any("DATABASE_URL" in known for known in agents)
    return Stack.LEGACY if legacy else Stack.CURRENT


def generation_of(file: ComposeFile) -> Generation:
    """Which way its proving agents are started."""
    proving = file.of(Part.PROVE)
    alone = any(one_for_all(command_text(file.services[name])) for name in proving)
    return Generation.ONE_SERVICE if alone else Generation.SERVICES
