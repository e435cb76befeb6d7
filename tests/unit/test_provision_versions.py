"""Hosts that cannot be in one cluster with the head are named in plain sentences, each with its cure."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import metadata

import pytest

from fleet.model.facts import Facts, Failure, Survey
from fleet.provision.survey import OLDEST_PYTHON, check_versions

HEAD = Facts(
    host="head",
    system="Linux",
    kernel="6",
    cpu_model=None,
    cores=2,
    memory=2**30,
    disk_free=None,
    python="3.11.7",
    ray="2.60.0",
    fleet="0.1.0",
)
FAR = replace(HEAD, host="far-1")


def checked(*facts: Facts) -> tuple[Failure, ...]:
    return check_versions(Survey(facts=facts), "head")


def test_hosts_that_agree_have_no_failures() -> None:
    assert checked(FAR, HEAD) == ()


def test_another_patch_of_python_or_another_way_of_installing_fleet_is_no_difference() -> None:
    assert checked(HEAD, replace(FAR, python="3.11.2", fleet="0.1.0+5d41402abc4b")) == ()


@pytest.mark.parametrize(
    ("far", "message", "hint"),
    [
        (
            replace(FAR, ray="2.58.0"),
            "ray 2.58.0 on far-1, 2.60.0 on the head: they must be the same",
            "install ray 2.60.0 there",
        ),
        (
            replace(FAR, fleet="0.0.9"),
            "fleet 0.0.9 on far-1, 0.1.0 on the head: they must be the same",
            "install fleet 0.1.0 there",
        ),
        (
            replace(FAR, python="3.12.1"),
            "Python 3.12.1 on far-1, 3.11.7 on the head: Ray needs the same minor version",
            "name a Python 3.11 as `python:` of far-1 in the inventory, or a 3.12 for the head",
        ),
        (
            replace(FAR, ray=None),
            "its Python has no ray",
            "`fleet provision` installs it, or install ray there",
        ),
    ],
)
def test_a_host_that_differs_from_the_head_is_the_one_that_fails(far: Facts, message: str, hint: str) -> None:
    """The order of the survey does not matter, the head does."""
    expected = Failure(host="far-1", stage="versions", message=message, hint=hint)
    assert checked(HEAD, far) == checked(far, HEAD) == (expected,)


def test_a_head_without_ray_fails_itself_and_blames_nobody_else() -> None:
    assert [failure.host for failure in checked(replace(HEAD, ray=None), FAR)] == ["head"]


def test_the_oldest_python_is_what_the_package_says() -> None:
    oldest = ".".join(map(str, OLDEST_PYTHON))
    assert metadata("fleet")["Requires-Python"] == f">={oldest}"
