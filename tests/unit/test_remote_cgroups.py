"""The CPU quota's counters, wherever the kernel's control groups keep them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.remote.sampling.cgroups import Throttling, cpu_stat_file, parse_cpu_stat, pressure_files, throttled_share

V2 = "usage_usec 900\nuser_usec 500\nsystem_usec 400\nnr_periods 120\nnr_throttled 30\nthrottled_usec 5000\n"
V1 = "nr_periods 40\nnr_throttled 10\nthrottled_time 777\n"


@pytest.mark.parametrize(
    ("membership", "folder"),
    [
        ("0::/system.slice/agent.service\n", "system.slice/agent.service"),
        ("0::/outer/of/the/container\n", "."),
        ("0::/user\n", "unified/user"),
        ("5:cpu,cpuacct:/docker/ab12\n0::/\n", "cpu,cpuacct/docker/ab12"),
        ("9:name=systemd:/\n1:cpu:/jobs\n", "cpu/jobs"),
    ],
    ids=["version 2", "version 2 in a container", "hybrid", "version 1", "version 1, alone"],
)
def test_the_group_is_found_in_either_version(tmp_path: Path, membership: str, folder: str) -> None:
    place = tmp_path / folder
    place.mkdir(parents=True, exist_ok=True)
    (place / "cpu.stat").write_text(V1)
    assert cpu_stat_file(membership, tmp_path) == place / "cpu.stat"
    assert parse_cpu_stat((place / "cpu.stat").read_text()) == Throttling(periods=40, throttled=10)


def test_no_group_no_figure(tmp_path: Path) -> None:
    """None, never 0: without a CPU controller nothing is known of a quota."""
    assert cpu_stat_file("4:memory:/x\n", tmp_path) is None
    assert parse_cpu_stat("usage_usec 900\n") is None


def test_the_share_of_periods_that_were_cut_short() -> None:
    before, after = parse_cpu_stat(V1), parse_cpu_stat(V2)
    assert after == Throttling(periods=120, throttled=30)
    assert throttled_share(before, after) == 0.25
    assert throttled_share(after, after) is None
    assert throttled_share(None, after) is None
    assert throttled_share(after, before) is None


@pytest.mark.parametrize(
    ("membership", "folder"),
    [
        ("0::/system.slice/agent.service\n", "system.slice/agent.service"),
        ("0::/outer/of/the/container\n", "."),
        ("5:cpu,cpuacct:/docker/ab12\n0::/user\n", "unified/user"),
    ],
    ids=["version 2", "version 2 in a container", "hybrid"],
)
def test_a_groups_pressure_is_found_beside_its_quota(tmp_path: Path, membership: str, folder: str) -> None:
    """Both files, or nothing: half of them is no kernel that fleet knows."""
    place = tmp_path / folder
    place.mkdir(parents=True, exist_ok=True)
    (place / "cpu.pressure").write_text("")
    assert pressure_files(membership, tmp_path) is None
    (place / "memory.pressure").write_text("")
    assert pressure_files(membership, tmp_path) == (place / "cpu.pressure", place / "memory.pressure")


def test_a_group_of_version_1_has_no_pressure(tmp_path: Path) -> None:
    """Though files of that name lie about, they are not of its kernel's making."""
    place = tmp_path / "cpu" / "jobs"
    place.mkdir(parents=True)
    for name in ("cpu.pressure", "memory.pressure"):
        (place / name).write_text("")
    assert pressure_files("1:cpu:/jobs\n", tmp_path) is None
