"""Trying the doors of a Bento head with the passwords that everybody knows: logs in, looks at nothing, changes nothing.

Each is tried from the head itself, by a tunnel, and then without SSH, as anybody on the network could.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from fleet.errors import ConnectError, FleetError
from fleet.model.bento import Part, Stack
from fleet.model.door import Door, Lock
from fleet.model.inventory import Host
from fleet.plan.bento.sight import Sight
from fleet.transport.keyring import Keyring
from fleet.transport.tunnel import tunnel
from fleet.workload.bento.records.past import DatabaseError
from fleet.workload.bento.records.redissession import RedisAddress, redis_opened
from fleet.workload.bento.records.session import address_at, opened
from fleet.workload.bento.way import PORTS, ends_of

WAIT = 5.0
"""Seconds that a door has to answer."""

_MOST = 4096
_REGION = "us-east-1"
_NOBODY = hashlib.sha256(b"").hexdigest()

Knock = Callable[[str, int], Lock]
"""Tries what listens at an address with the defaults."""


def tried(head: Host, keyring: Keyring, sight: Sight) -> Iterator[Door]:
    """Every door that the project has, tried. What cannot be tried says why."""
    for part, (door, knock) in _DOORS.items():
        if part not in _OF_STACK[sight.stack]:
            continue
        ends = ends_of(sight, part, head.login.address)
        try:
            found, lock = _tried(head, keyring, ends, knock)
        except FleetError as error:
            yield replace(door, problem=error.message)
            continue
        if lock is Lock.SILENT and not sight.file.of(part):
            continue
        exposed = head.login.address if lock is not Lock.SILENT and _reached(head.login.address, found) else None
        yield replace(door, port=found, lock=lock, exposed=exposed)


def _tried(head: Host, keyring: Keyring, ends: Sequence[tuple[str, int]], knock: Knock) -> tuple[int, Lock]:
    """The port at which something answers, and what it takes to get in."""
    for host, far in ends:
        try:
            with tunnel(head, keyring, (host, far)) as port:
                lock = knock("127.0.0.1", port)
        except ConnectError:
            continue
        if lock is not Lock.SILENT:
            return far, lock
    return ends[0][1], Lock.SILENT


def _reached(address: str, port: int) -> bool:
    """Whether a connection comes about without SSH."""
    try:
        socket.create_connection((address, port), timeout=WAIT).close()
    except OSError:
        return False
    return True


def knock_postgres(host: str, port: int) -> Lock:
    """Log in as the stack is shipped: worker/password."""
    address = address_at(host=host, port=port, user="worker", password="password", database="taskdb")  # noqa: S106 (the default that everybody knows is what is tried)
    try:
        with opened(address):
            return Lock.DEFAULT
    except DatabaseError as error:
        # To say that there is no such database, it must have let us in.
        return Lock.DEFAULT if "no such database" in error.message else Lock.OWN


def knock_redis(host: str, port: int) -> Lock:
    """Come in without a password, as the stack is shipped."""
    place = f"redis://{host}:{port}"
    address = RedisAddress(host=host, port=port, database=0, user=None, password=None, tls=False, place=place)
    try:
        with redis_opened(address):
            return Lock.NONE
    except DatabaseError:
        return Lock.OWN


def knock_files(host: str, port: int) -> Lock:
    """Ask MinIO for its buckets as admin/password, the request signed as S3 wants it (AWS Signature Version 4)."""
    status = _asked(host, port, "/", signed(f"{host}:{port}", "admin", "password", time.gmtime()))
    return {200: Lock.DEFAULT, None: Lock.SILENT}.get(status, Lock.OWN)


def knock_api(host: str, port: int) -> Lock:
    """Ask the REST API for the state of a job that there is not, without any key."""
    status = _asked(host, port, "/sessions/status/00000000-0000-0000-0000-000000000000", {})
    return {401: Lock.OWN, 403: Lock.OWN, None: Lock.SILENT}.get(status, Lock.NONE)


def _asked(host: str, port: int, path: str, headers: dict[str, str]) -> int | None:
    """The status of an HTTP answer; None where there is none."""
    with closing(http.client.HTTPConnection(host, port, timeout=WAIT)) as line:
        try:
            line.request("GET", path, headers=headers)
            answer = line.getresponse()
            answer.read(_MOST)
        except (OSError, http.client.HTTPException):
            return None
        return answer.status


def signed(host: str, user: str, password: str, now: time.struct_time, query: str = "") -> dict[str, str]:
    """The headers of a signed GET of `/` without a body; `query` as it is in the URL. `now` in UTC."""
    moment, day = time.strftime("%Y%m%dT%H%M%SZ", now), time.strftime("%Y%m%d", now)
    scope = f"{day}/{_REGION}/s3/aws4_request"
    names = "host;x-amz-content-sha256;x-amz-date"
    request = f"GET\n/\n{query}\nhost:{host}\nx-amz-content-sha256:{_NOBODY}\nx-amz-date:{moment}\n\n{names}\n{_NOBODY}"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{password}".encode()
    for part in (day, _REGION, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    proof = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"Credential={user}/{scope}, SignedHeaders={names}, Signature={proof}"
    return {
        "Host": host,
        "X-Amz-Date": moment,
        "X-Amz-Content-Sha256": _NOBODY,
        "Authorization": f"AWS4-HMAC-SHA256 {credential}",
    }


_DOORS: dict[Part, tuple[Door, Knock]] = {
    Part.POSTGRES: (
        Door(
            name="PostgreSQL",
            port=PORTS[Part.POSTGRES],
            lock=Lock.SILENT,
            known_as="worker/password",
            setting="POSTGRES_PASSWORD",
        ),
        knock_postgres,
    ),
    Part.REDIS: (
        Door(name="Redis", port=PORTS[Part.REDIS], lock=Lock.SILENT, setting="REDIS_PASSWORD"),
        knock_redis,
    ),
    Part.FILES: (
        Door(
            name="MinIO",
            port=PORTS[Part.FILES],
            lock=Lock.SILENT,
            known_as="admin/password",
            setting="MINIO_ROOT_PASS",
        ),
        knock_files,
    ),
    Part.API: (Door(name="REST API", port=PORTS[Part.API], lock=Lock.SILENT), knock_api),
}
_OF_STACK = {
    Stack.LEGACY: (Part.POSTGRES, Part.REDIS, Part.FILES, Part.API),
    Stack.CURRENT: (Part.REDIS, Part.API),
}
