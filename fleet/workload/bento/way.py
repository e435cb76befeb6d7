"""The way into a cluster's task database, as its own compose and env files say: user, password, database, address."""

from __future__ import annotations

from fleet.errors import ConfigurationError
from fleet.model.bento import Stack
from fleet.plan.bento.knobs import setting
from fleet.plan.bento.roles import Part
from fleet.plan.bento.sight import Sight
from fleet.workload.bento.reading import Place
from fleet.workload.bento.redissession import RedisAddress
from fleet.workload.bento.session import address_at

PORTS = {Part.POSTGRES: 5432, Part.REDIS: 6379, Part.FILES: 9000, Part.API: 8081}
"""Where each service listens in its container."""

_LOOPBACK = "127.0.0.1"


def host_of(sight: Sight, part: Part) -> str:
    """A service's address as the head itself reaches it: its container's own, else the head's loopback.

    A port that is published at all is published on the head; one that is not can be reached all the same.
    """
    return next((one.addresses[0] for one in sight.of(part) if one.alive and one.addresses), _LOOPBACK)


def place_in(sight: Sight) -> Place:
    """The task database as the head sees it. ConfigurationError for settings that are none."""
    match sight.stack:
        case Stack.LEGACY:
            return address_at(
                host=_elsewhere(sight, "POSTGRES_HOST", Part.POSTGRES),
                port=_port(sight, "POSTGRES_PORT", PORTS[Part.POSTGRES]),
                user=_said(sight, "POSTGRES_USER") or "worker",
                password=_said(sight, "POSTGRES_PASSWORD"),
                database=_said(sight, "POSTGRES_DB") or "taskdb",
            )
        case Stack.CURRENT:
            host = _elsewhere(sight, "REDIS_HOST", Part.REDIS)
            port = PORTS[Part.REDIS]
            return RedisAddress(
                host=host,
                port=port,
                database=0,
                user=None,
                password=_said(sight, "REDIS_PASSWORD"),
                tls=False,
                place=f"redis://{host}:{port}/0",
            )


def _elsewhere(sight: Sight, name: str, part: Part) -> str:
    """The host that a setting names, where it is no service of the project."""
    named = _said(sight, name)
    return host_of(sight, part) if named is None or named in sight.file.services else named


def _said(sight: Sight, name: str) -> str | None:
    return setting(sight.file, sight.known, name) or None


def _port(sight: Sight, name: str, usual: int) -> int:
    text = _said(sight, name) or str(usual)
    if not text.isdecimal() or not 0 < int(text) < 2**16:
        raise ConfigurationError(f"{name} in the env file is no port", hint=f"it is {usual} as it is shipped")
    return int(text)
