"""An inventory completed for its lab, the sshd configuration, and names that cannot be a lab's."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.errors import ConfigurationError
from fleet.lab.account import user_name
from fleet.lab.layout import Layout, dressed, lab_directory
from fleet.lab.loopback import down, running, up
from fleet.lab.openssh import configuration
from fleet.model.inventory import Current, Host, Inventory, Login, Ports, Prices, Role, SyntheticSettings


def host(name: str, *, lab: bool, role: Role = Role.WORKER) -> Host:
    return Host(
        name=name,
        role=role,
        login=Login(address="127.0.0.41", port=2241, connect_timeout=3.0),
        node_address="127.0.0.41",
        devices=(),
        ports=Ports(first=100, last=200),
        python="python3",
        work_dir="/srv/fleet",
        lab=lab,
    )


def inventory(*hosts: Host, name: str = "lab") -> Inventory:
    return Inventory(
        name=name,
        path=f"{name}.yaml",
        hosts=hosts,
        current=Current(),
        prices=Prices(),
        workload=SyntheticSettings(),
    )


def test_a_lab_host_is_completed_and_keeps_the_rest() -> None:
    found = dressed(inventory(host("box", lab=True)), Path("/state/lab")).hosts[0]
    assert found == replace(
        host("box", lab=True),
        login=Login(
            address="127.0.0.41",
            port=2241,
            user=user_name(),
            key="/state/lab/id_ed25519",
            known_hosts="/state/lab/known_hosts",
            connect_timeout=3.0,
        ),
        python=sys.executable,
        work_dir="/state/lab/hosts/box",
    )


def test_a_real_host_stays_as_it_is() -> None:
    real = host("box", lab=False)
    assert dressed(inventory(real), Path("/state/lab")).hosts == (real,)


def test_the_lab_lies_under_xdgs_state_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/somewhere")
    assert re.fullmatch("/somewhere/fleet/lab/three-[0-9a-f]{8}", str(lab_directory(inventory(name="three"))))
    monkeypatch.setenv("XDG_STATE_HOME", "not/absolute")
    monkeypatch.setenv("HOME", "/home/me")
    assert lab_directory(inventory(name="three")).parent == Path("/home/me/.local/state/fleet/lab")


def test_two_files_of_one_name_share_no_lab_and_one_file_has_one(tmp_path: Path) -> None:
    """However the file's path is written: through a link, or with a detour."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to(tmp_path / "a")
    paths = ("a/lab.yaml", "b/lab.yaml", "a/../b/lab.yaml", "lab.yaml")
    folders = [lab_directory(replace(inventory(name="lab"), path=str(tmp_path / path))) for path in paths]
    assert folders[0] == folders[1] == folders[2] != folders[3]


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "../../etc", "a\0b"])
def test_a_name_cannot_lead_out_of_the_state_home(name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot name"):
        lab_directory(inventory(name=name))
    with pytest.raises(ConfigurationError, match="cannot name"):
        dressed(inventory(host(name, lab=True)), Path("/state"))


def test_sshd_lets_one_user_in_by_key_only() -> None:
    layout = Layout(Path("/state/my lab"))
    text = configuration(
        host("box", lab=True),
        host_key=layout.host_key("box"),
        authorized=layout.authorized,
        home=layout.home("box"),
    )
    lines = text.splitlines()
    assert "ListenAddress 127.0.0.41" in lines
    assert "Port 2241" in lines
    assert 'SetEnv "HOME=/state/my lab/hosts/box"' in lines
    assert 'AuthorizedKeysFile "/state/my lab/authorized_keys"' in lines
    assert {"PasswordAuthentication no", "UsePAM no", f"AllowUsers {user_name()}"} <= set(lines)


def test_an_inventory_without_lab_hosts_needs_no_lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is started, nothing is written."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    real = inventory(host("box", lab=False))
    with running(real) as found:
        assert found == real
    with pytest.raises(ConfigurationError, match="has no lab hosts"):
        up(real)
    assert down(real) == ("the lab was not up",)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_backend_is_named_with_the_known_ones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with (
        pytest.raises(ConfigurationError, match="auto, openssh, builtin"),
        running(inventory(host("box", lab=True)), backend="telnet"),
    ):
        pass
