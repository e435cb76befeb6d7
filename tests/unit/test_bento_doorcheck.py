"""Open doors of a Bento head, judged; and the request that asks MinIO, signed as Amazon's own example is."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from fleet.model.checkup import Light
from fleet.model.door import Door, Lock
from fleet.plan.bento.doorcheck import judge_doors
from fleet.workload.bento.doors import signed

POSTGRES = Door(name="PostgreSQL", port=5432, lock=Lock.SILENT, known_as="worker/password", setting="POSTGRES_PASSWORD")
REDIS = Door(name="Redis", port=6379, lock=Lock.SILENT, setting="REDIS_PASSWORD")
API = Door(name="REST API", port=8081, lock=Lock.SILENT)


@pytest.mark.parametrize(
    ("door", "lock", "exposed", "light", "said"),
    [
        (POSTGRES, Lock.DEFAULT, None, Light.RED, "lets the default password in (worker/password)"),
        (POSTGRES, Lock.OWN, None, Light.GREEN, "refuses the default password"),
        (POSTGRES, Lock.OWN, "10.0.0.5", Light.AMBER, "reached from here at 10.0.0.5:5432"),
        (REDIS, Lock.NONE, None, Light.AMBER, "asks nobody"),
        (REDIS, Lock.NONE, "10.0.0.5", Light.RED, "asks nobody"),
        (API, Lock.NONE, None, Light.RED, "asks nobody"),
        (API, Lock.SILENT, None, Light.GREEN, "nothing answers"),
    ],
)
def test_what_a_door_means(door: Door, lock: Lock, exposed: str | None, light: Light, said: str) -> None:
    """Red and amber name the cure: the setting of the env file, and who is to be let in."""
    (checkup,) = judge_doors("box", [replace(door, lock=lock, exposed=exposed)])
    (check,) = checkup.checks
    assert (checkup.host, check.light) == ("box", light)
    assert said in check.seen
    assert (check.cure is None) is (light is Light.GREEN)
    if check.cure and door.setting and lock is not Lock.OWN:
        assert door.setting in check.cure


def test_a_door_that_could_not_be_tried_is_no_green() -> None:
    """And what the host said of it has no control characters."""
    door = Door(name="Redis", port=6379, lock=Lock.SILENT, problem="no \x1b[31mway")
    (check,) = judge_doors("box", [door])[0].checks
    assert check.light is Light.AMBER
    assert check.seen.isprintable()


def test_the_signature_is_amazons() -> None:
    """The published example: GET ?lifecycle of examplebucket on 24 May 2013."""
    headers = signed(
        "examplebucket.s3.amazonaws.com",
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        time.strptime("20130524T000000Z", "%Y%m%dT%H%M%SZ"),
        "lifecycle=",
    )
    assert headers["Authorization"].endswith(
        "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
    )
