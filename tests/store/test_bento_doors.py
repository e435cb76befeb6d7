"""Doors of a Bento head, tried on real servers: the default password is found where it lets in, and only there."""

from __future__ import annotations

from typing import Any

import bento_hashes
import pytest
from bento_hashes import redis_server
from http_answers import answering

from fleet.model.door import Lock
from fleet.workload.bento.doors import knock_api, knock_files, knock_postgres, knock_redis


def test_postgres(postgres: Any) -> None:
    """worker/password, worker with another one, and no such user; there need be no database of Bento's."""
    for statement, lock in (
        ("CREATE ROLE worker LOGIN PASSWORD 'password'", Lock.DEFAULT),
        ("ALTER ROLE worker PASSWORD 'p@ss word'", Lock.OWN),
        ("DROP ROLE worker", Lock.OWN),
    ):
        postgres.sql("postgres", statement)
        assert knock_postgres("127.0.0.1", postgres.port) is lock


@pytest.mark.skipif(bento_hashes.PROGRAM is None, reason=bento_hashes.MISSING)
def test_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a password, and with one; one of ours in the environment is not tried."""
    monkeypatch.setenv("REDISCLI_AUTH", "ours")
    with redis_server() as port:
        assert knock_redis("127.0.0.1", port) is Lock.NONE
    with redis_server("--requirepass", "ours") as port:
        assert knock_redis("127.0.0.1", port) is Lock.OWN


@pytest.mark.parametrize(("status", "lock"), [(200, Lock.NONE), (404, Lock.NONE), (401, Lock.OWN), (403, Lock.OWN)])
def test_the_api(status: int, lock: Lock) -> None:
    """Who answers anything but `who are you` asks nobody; who does not answer in HTTP is no API."""
    with answering(status) as (port, asked):
        assert knock_api("127.0.0.1", port) is lock
    assert [line.split()[0] for line in asked] == ["GET"]
    assert knock_api("127.0.0.1", 1) is Lock.SILENT


@pytest.mark.parametrize(("status", "lock"), [(200, Lock.DEFAULT), (403, Lock.OWN)])
def test_minio(status: int, lock: Lock) -> None:
    """One signed GET, whose password is not in it."""
    with answering(status) as (port, asked):
        assert knock_files("127.0.0.1", port) is lock
    assert [line.split()[0] for line in asked] == ["GET"]
