"""Ports, cores, paths and commands: what is decided before anything is started on a host."""

from __future__ import annotations

import stat
from dataclasses import astuple
from pathlib import Path

import pytest
from cluster_values import card, core
from hypothesis import given
from hypothesis import strategies as st

from fleet.errors import MeasureError
from fleet.model.inventory import Ports
from fleet.remote.cluster.lean import lean_command
from fleet.remote.cores import core_of
from fleet.remote.paths import LONGEST_SOCKET, SOCKET_PATH_LIMIT, paths, private, ray_folder
from fleet.remote.portplan import SMALLEST_RANGE, node_ports


@given(st.integers(1024, 60000), st.integers(SMALLEST_RANGE, 3000))
def test_every_port_lies_in_the_range_and_none_is_given_twice(first: int, size: int) -> None:
    plan = astuple(node_ports(Ports(first=first, last=first + size - 1)))
    *fixed, first_worker, last_worker = plan
    assert len(set(fixed)) == len(fixed)
    assert all(first <= port < first_worker for port in fixed)
    assert first_worker < last_worker == first + size - 1


def test_a_range_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="ports 26000 to 26009 are 10, at least 15 are needed"):
        node_ports(Ports(first=26000, last=26009))


def test_cpu_devices_take_the_cores_that_are_allowed_in_turn() -> None:
    """Cards in between do not count, and more devices than cores share them."""
    devices = (core("a"), card("gpu0"), core("b"), core("c"))
    assert [core_of(name, devices, {6, 2}) for name in ("a", "b", "c")] == [2, 6, 2]
    assert core_of("gpu0", devices, {6, 2}) is None


def test_a_relative_work_folder_lies_in_the_users_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As it does for everything else that comes over SSH, which starts there."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert paths(".fleet/box").work == tmp_path / ".fleet/box"
    assert paths("~/elsewhere").work == tmp_path / "elsewhere"
    assert paths("/srv/fleet").work == Path("/srv/fleet")


def test_an_agents_log_has_a_name_that_is_one_file() -> None:
    assert paths("/srv").agent_log("box/gpu0#1") == Path("/srv/agents/box-gpu0-1.log")
    assert paths("/srv").agent_log("../../etc/passwd") == Path("/srv/agents/..-..-etc-passwd.log")


def test_rays_sockets_always_have_a_short_enough_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A work folder deep in the tree is reached by a link in a private folder of the system's temporary one."""
    monkeypatch.setattr("fleet.remote.paths.SHORT_ROOT", str(tmp_path / "t"))
    (tmp_path / "t").mkdir()
    deep = paths(str(tmp_path / ("d" * 60)))
    folder = ray_folder(deep)
    assert folder.resolve() == (deep.run / "ray").resolve()
    assert folder.parent == deep.short()
    assert stat.S_IMODE(deep.short().stat().st_mode) == 0o700
    assert ray_folder(deep) == folder

    monkeypatch.setattr("fleet.remote.paths.SOCKET_PATH_LIMIT", len(str(deep.ray)) + len(LONGEST_SOCKET))
    assert ray_folder(deep) == deep.ray
    assert SOCKET_PATH_LIMIT == 107


def test_a_private_folder_is_ours_and_no_link(tmp_path: Path) -> None:
    """Somebody who may write to /tmp must not be able to lead us elsewhere."""
    (tmp_path / "open").mkdir(mode=0o777)
    assert stat.S_IMODE(private(tmp_path / "open").stat().st_mode) == 0o700
    (tmp_path / "link").symlink_to(tmp_path / "open")
    with pytest.raises(MeasureError, match="is not a folder of this user"):
        private(tmp_path / "link")


def test_a_raylet_starts_stand_ins_instead_of_rays_agents() -> None:
    command = [
        "raylet",
        "--session_dir=/srv/a folder/s",
        "--node_id=ab",
        "--runtime_env_agent_port=26006",
        "--dashboard_agent_command=python agent.py --gcs=1",
        "--runtime_env_agent_command=python main.py",
        "--num_prestart_python_workers=16",
        "--head",
    ]
    lean = lean_command(command, "raylet")
    flags = dict(word.split("=", 1) for word in lean if "=" in word)
    assert lean[:2] == ["raylet", "--head"]
    assert flags["--num_prestart_python_workers"] == "0"
    assert flags["--session_dir"] == "/srv/a folder/s"
    assert flags["--dashboard_agent_command"].endswith(
        '"/srv/a folder/s" ab metrics_agent_port=-1 metrics_export_port=-1 dashboard_agent_listen_port=-1'
    )
    assert flags["--runtime_env_agent_command"].endswith('"/srv/a folder/s" ab runtime_env_agent_port=26006')


def test_other_processes_of_ray_are_started_as_they_are() -> None:
    assert lean_command(["gcs_server", "--a=b"], "gcs_server") == ["gcs_server", "--a=b"]
