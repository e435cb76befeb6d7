"""The way into a cluster's task database, as its own compose and env files say: user, password, database, address."""

from __future__ import annotations

from urllib.parse import urlsplit

from fleet.errors import ConfigurationError
from fleet.model.bento import Part, Stack
from fleet.plan.bento.knobs import setting
from fleet.plan.bento.sight import Sight
from fleet.workload.bento.records.reading import Place
from fleet.workload.bento.records.redissession import RedisAddress
from fleet.workload.bento.records.session import address_at, address_of, with_password

PORTS = {Part.POSTGRES: 5432, Part.REDIS: 6379, Part.FILES: 9000, Part.API: 8081}
"""Where each service listens in its container."""

_NAMED = {Part.POSTGRES: "POSTGRES_HOST", Part.REDIS: "REDIS_HOST", Part.FILES: "MINIO_HOST"}
_LOOPBACK = "127.0.0.1"


def ends_of(sight: Sight, part: Part, head: str) -> tuple[tuple[str, int], ...]:
    """Where a service may be, as the head itself reaches it, the likeliest first. `head`: its address on its network.

    Where the settings name another host, else its container's own address (a port that nobody published can be reached
    there), else where a published port is.
    """
    port = PORTS[part] if part is not Part.POSTGRES else _port(sight, "POSTGRES_PORT", PORTS[part])
    if part is Part.API and sight.settings.api is not None:
        url = urlsplit(sight.settings.api)
        return ((url.hostname or _LOOPBACK, url.port or 80),)
    named = _said(sight, _NAMED[part]) if part in _NAMED else None
    if named is not None and named not in sight.file.services:
        return ((named, port),)
    own = [address for one in sight.of(part) if one.alive for address in one.addresses]
    return tuple((host, port) for host in dict.fromkeys((*own, _LOOPBACK, head)))


def place_in(sight: Sight) -> Place:
    """The task database as the head sees it. ConfigurationError for settings that are none.

    `bento.database` of the inventory says where, and as whom; the password is the env file's all the same.
    """
    if sight.settings.database is not None:
        return with_password(address_of(sight.settings.database, secret=False), _said(sight, "POSTGRES_PASSWORD"))
    part = Part.POSTGRES if sight.stack is Stack.LEGACY else Part.REDIS
    host, port = ends_of(sight, part, _LOOPBACK)[0]
    match sight.stack:
        case Stack.LEGACY:
            return address_at(
                host=host,
                port=port,
                user=_said(sight, "POSTGRES_USER") or "worker",
                password=_said(sight, "POSTGRES_PASSWORD"),
                database=_said(sight, "POSTGRES_DB") or "taskdb",
            )
        case Stack.CURRENT:
            return RedisAddress(
                host=host,
                port=port,
                database=0,
                user=None,
                password=_said(sight, "REDIS_PASSWORD"),
                tls=False,
                place=f"redis://{host}:{port}/0",
            )


def _said(sight: Sight, name: str) -> str | None:
    return setting(sight.file, sight.known, name) or None


def _port(sight: Sight, name: str, usual: int) -> int:
    text = _said(sight, name) or str(usual)
    if not text.isdecimal() or not 0 < int(text) < 2**16:
        raise ConfigurationError(f"{name} in the env file is no port", hint=f"it is {usual} as it is shipped")
    return int(text)
