"""A cluster's past read from wherever its stack keeps it: one question for both stacks, told apart by their URLs."""

from __future__ import annotations

from typing import assert_never
from uuid import UUID

from fleet.errors import ConfigurationError
from fleet.model.bento import Stack
from fleet.workload.bento.hashlook import HashLookout
from fleet.workload.bento.lookout import Lookout
from fleet.workload.bento.records import hashdb
from fleet.workload.bento.records.hashdb import read_hashes
from fleet.workload.bento.records.past import Read, Wanted
from fleet.workload.bento.records.redissession import FORM as REDIS_FORM
from fleet.workload.bento.records.redissession import RedisAddress, redis_address, redis_through
from fleet.workload.bento.records.session import FORM, Address, address_of, endpoint, through
from fleet.workload.bento.records.taskdb import read_past

Place = Address | RedisAddress
AnyLookout = Lookout | HashLookout
"""Whoever tells how jobs stand, on either stack."""

AS_SEEN_BY_HEAD = {Stack.LEGACY: "postgresql://worker@127.0.0.1:5432/taskdb", Stack.CURRENT: "redis://127.0.0.1:6379"}
"""Where each stack's task database is for the head itself, as it is shipped."""

FORMS = f"{FORM} (legacy stack) or {REDIS_FORM} (current stack)"


def place_at(url: str, *, secret: bool) -> Place:
    """Where a URL leads. `secret`: it came by a way on which a password may. ConfigurationError for what is no URL."""
    scheme = url.partition("://")[0]
    if scheme in ("redis", "rediss"):
        return redis_address(url, secret=secret)
    if scheme in ("postgresql", "postgres"):
        return address_of(url, secret=secret)
    raise ConfigurationError(f"the database's URL cannot be read: expected {FORMS}")


def endpoint_of(place: Place) -> tuple[str, int]:
    """Host and port as its own machine sees them."""
    match place:
        case RedisAddress():
            return place.host, place.port
        case Address():
            return endpoint(place)
        case _:
            assert_never(place)


def by_tunnel(place: Place, port: int, host: str) -> Place:
    """A host's database by a local port that leads to it."""
    match place:
        case RedisAddress():
            return redis_through(place, port, host)
        case Address():
            return through(place, port, host)
        case _:
            assert_never(place)


def read_jobs(place: Place, wanted: Wanted) -> Read:
    """The jobs asked for. DatabaseError where the database cannot be read; ConfigurationError for no such job."""
    match place:
        case RedisAddress():
            return read_hashes(place, wanted)
        case Address():
            return read_past(place, wanted)
        case _:
            assert_never(place)


def read_job(place: Place, job: UUID) -> Read:
    """One job that was run just now, by its own keys. Errors as above."""
    match place:
        case RedisAddress():
            return hashdb.read_job(place, job)
        case Address():
            return read_past(place, Wanted(job=job))
        case _:
            assert_never(place)


def lookout(place: Place) -> AnyLookout:
    """A session that tells how jobs stand. It is opened by its first question."""
    match place:
        case RedisAddress():
            return HashLookout(place)
        case Address():
            return Lookout(place)
        case _:
            assert_never(place)
