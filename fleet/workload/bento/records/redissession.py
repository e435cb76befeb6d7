"""A session on the current stack's Redis that only reads: bounded in time and size, its errors in one line.

Redis knows no read-only transaction, so that reading only is this module's own promise: every command that is sent is
one of `COMMANDS`, all of which an ACL of `+@read +time +info` lets through. The one exception is `end_task`, for jobs
that fleet has submitted itself. redis-py's only home.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from fleet.errors import ConfigurationError, FleetError
from fleet.plan.shell.quoting import tame
from fleet.workload.bento.records.past import DatabaseError

COMMANDS = frozenset(
    {"TIME", "INFO", "DBSIZE", "SCAN", "SSCAN", "SCARD", "EXISTS", "HMGET", "MEMORY USAGE", "ZCARD", "ZRANGE"}
)
"""Each is short whatever the database holds; none writes, and none (as KEYS and SMEMBERS do) holds up the others."""

ANSWER_SECONDS = 20.0
"""No answer may take longer: the database has agents to serve."""

MOST_BYTES = 64 * 2**20
"""Bytes that one batch of hashes may hold: what is larger is none of Bento's."""

FORM = "redis://HOST:6379"
"""What an address looks like; the password comes from elsewhere."""

PASSWORD = "REDISCLI_AUTH"  # noqa: S105 (the variable's name)
"""Where redis-cli looks for a password, and so does fleet."""

_CONNECT_SECONDS = 10.0
_PORT = 6379

Command = tuple[str | bytes | int, ...]

_SIGNS = (
    ("NOAUTH", "it wants a password", f"set it in {PASSWORD}"),
    ("Authentication required", "it wants a password", f"set it in {PASSWORD}"),
    ("WRONGPASS", "wrong user or password", f"set it in {PASSWORD}, the user in the URL: redis://USER@HOST:6379"),
    ("invalid username-password", "wrong user or password", f"set it in {PASSWORD}"),
    ("invalid password", "wrong user or password", f"set it in {PASSWORD}"),
    ("without any password configured", "it has no password", f"unset {PASSWORD}"),
    ("NOPERM", "the user may not read it", "an ACL of `~taskdb:* +@read +time +info +ping` is enough"),
    ("no permissions", "the user may not read it", "an ACL of `~taskdb:* +@read +time +info +ping` is enough"),
    ("protected mode", "it lets nobody in from elsewhere without a password", "go by SSH: name an INVENTORY"),
    ("DB index is out of range", "there is no such database", "Bento's is number 0"),
    ("LOADING", "it is still loading its data", "try again in a moment"),
    ("WRONGTYPE", "a key of the task database is not of its type", "is this Bento's Redis?"),
    ("refused", "no server answers there", "the stack's Redis listens on port 6379 of the head"),
    ("timed out", f"no answer within {ANSWER_SECONDS:g} s", "is it reachable from here? An INVENTORY goes by SSH"),
    ("Timeout", f"no answer within {ANSWER_SECONDS:g} s", "is it reachable from here? An INVENTORY goes by SSH"),
    ("Name or service", "its host name is unknown", None),
    ("name resolution", "its host name is unknown", None),
    ("closed by server", "the server closed the connection", "is it up? Try again"),
    ("reset by peer", "the server closed the connection", "is it up? Try again"),
    ("Broken pipe", "the server closed the connection", "is it up? Try again"),
    ("Invalid response", "what answers there is no Redis", f"expected {FORM}"),
    ("Protocol", "what answers there is no Redis", f"expected {FORM}"),
)

_LOST = (redis.ConnectionError, redis.TimeoutError, OSError)


class AwayError(DatabaseError):
    """It is not there, not there yet, or went away: it may answer when it is asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisAddress:
    """Where the current stack's Redis is. `password` is never shown; `place` holds none."""

    host: str
    port: int
    database: int
    user: str | None
    password: str | None
    tls: bool
    place: str
    tunnelled: bool = False

    def __repr__(self) -> str:
        """Without the password."""
        return f"RedisAddress({self.place})"


def redis_address(url: str, *, secret: bool) -> RedisAddress:
    """The address that a URL gives. `secret`: it came by a way on which a password may (not by the command line)."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or _PORT
        user, password = unquote(parts.username or "") or None, unquote(parts.password or "") or None
    except ValueError:
        raise _unreadable() from None
    number = parts.path.strip("/") or "0"
    if (
        parts.scheme not in ("redis", "rediss")
        or not host
        or not re.fullmatch(r"[\w.:%-]+", host)
        or not re.fullmatch(r"\d{1,4}", number)
        or parts.query
        or parts.fragment
        or parts.netloc.count("@") > 1
    ):
        raise _unreadable()
    if password and not secret:
        raise ConfigurationError(
            "a password on the command line can be read by everybody on this machine",
            hint=f"leave it out, and set {PASSWORD}, or name a variable: --database-url-env NAME",
        )
    shown = f"[{host}]" if ":" in host else host
    return RedisAddress(
        host=host,
        port=port,
        database=int(number),
        user=user,
        password=password or os.environ.get(PASSWORD) or None,
        tls=parts.scheme == "rediss",
        place=f"{parts.scheme}://{f'{user}@' if user else ''}{shown}:{port}/{number}",
    )


def _unreadable() -> ConfigurationError:
    hint = "special characters of a password are written as %40, %3A, %2F, …"
    return ConfigurationError(f"the Redis URL cannot be read: expected {FORM}", hint=hint)


def redis_through(address: RedisAddress, port: int, host: str) -> RedisAddress:
    """A host's Redis by a local port that leads to it."""
    return replace(address, host="127.0.0.1", port=port, place=f"{address.place} of {host}", tunnelled=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """An open connection. `address.place` is where it leads."""

    address: RedisAddress
    client: redis.Redis

    def ask(self, commands: Sequence[Command]) -> list[Any]:
        """The answers, one a command, by one round trip. DatabaseError where one is an error or the line is cut."""
        pipeline = self.client.pipeline(transaction=False)
        for command in commands:
            if command[0] not in COMMANDS:
                raise ValueError(f"{command[0]!r} is not one of the commands that only read")
            pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
        with translated(self.address):
            answers: list[Any] = pipeline.execute()
        return answers

    def one(self, *command: str | bytes | int) -> Any:
        """The answer to one command."""
        return self.ask([command])[0]

    def hashes(self, keys: Sequence[bytes], fields: Sequence[str]) -> list[tuple[bytes | None, ...] | None]:
        """The fields of every hash, None for a hash that is not there. DatabaseError where they are too large."""
        sizes = self.ask([("MEMORY USAGE", key, "SAMPLES", 0) for key in keys])
        if sum(size or 0 for size in sizes) > MOST_BYTES:
            raise self.strange(f"{len(keys)} of its hashes hold more than {MOST_BYTES >> 20} MiB")
        found = self.ask([("HMGET", key, *fields) for key in keys])
        return [None if all(value is None for value in values) else tuple(values) for values in found]

    def strange(self, what: str) -> DatabaseError:
        """What is there is not what Bento writes."""
        return DatabaseError(
            f"{self.address.place}: {tame(what, 300)}",
            hint="say so, with the version of the stack: fleet would learn it",
        )


def end_task(session: Session, job: str, task: str, why: str) -> None:
    """Have the stack's own function say that a task cannot be done, so that its job has failed. DatabaseError."""
    now = session.one("TIME")
    with translated(session.address):
        words = (job, task, why, f"{int(now[0])}.{int(now[1]):06d}")
        session.client.fcall("update_task_failed", 0, "taskdb", *words)


@contextmanager
def redis_opened(address: RedisAddress) -> Iterator[Session]:
    """A connection that answers. DatabaseError where none does."""
    client = redis.Redis(
        host=address.host,
        port=address.port,
        db=address.database,
        username=address.user,
        password=address.password,
        ssl=address.tls,
        # By a tunnel the address is ours and the certificate the head's, whom SSH has told by its key.
        ssl_check_hostname=not address.tunnelled,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=_CONNECT_SECONDS,
        socket_read_size=1 << 18,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )
    try:
        with translated(address):
            client.ping()
        yield Session(address=address, client=client)
    finally:
        client.close()


@contextmanager
def translated(address: RedisAddress) -> Iterator[None]:
    """What redis-py raises becomes one line without a password."""
    try:
        yield
    except (redis.RedisError, OSError, UnicodeError, ValueError) as error:
        raise _told(address, error) from None


def _told(address: RedisAddress, error: Exception) -> FleetError:
    said = f"{type(error).__name__} {error}"
    # redis-py has a refused login as a connection that was lost, too.
    away = isinstance(error, _LOST) and not isinstance(error, redis.AuthenticationError)
    kind = AwayError if away else DatabaseError
    for sign, what, hint in _SIGNS:
        if sign in said:
            return kind(f"{address.place}: {what}", hint=hint)
    first = next(iter(tame(str(error), 200).splitlines()), type(error).__name__)
    return kind(f"{address.place}: {first}")
