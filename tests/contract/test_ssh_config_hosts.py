"""What fleet reads from an SSH configuration equals what the real `ssh -G` says holds for each host."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from fleet.cli.init import init
from fleet.codec import parse_inventory
from fleet.codec.foreign import Format, Source, load_foreign, read_foreign
from fleet.errors import ConnectError
from fleet.transport.userconfig import route

SSH = shutil.which("ssh")
needs_ssh = pytest.mark.skipif(SSH is None, reason="OpenSSH's client is missing: install openssh-client")

CONFIG = """
# comment
User everybody
Host box other
    HostName 10.0.0.1   # behind
    Port 2222
    User first
Host *.lab !bad.lab
    HostName=%h.example.org
    IdentityFile ~/.ssh/lab key
Host a.lab bad.lab node?
    IdentityFile "~/.ssh/with space"
    Port = 23
host Upper
    hostname UPPER.example.org
    user "quoted user"
Host ! odd
Host node1 * !node2
    Compression yes
    Port 24
Host far
    HostName 10.9.0.1
    ProxyJump bastion
    IdentityFile none
Host six
    HostName 2001:db8::1
Host v1
    Include {extra}
    Port 7
Match all
    Port 2200
Host late
    User late
"""
EXTRA = "User included\nHost inner v1\n    HostName inner.example.org\n"


@needs_ssh
def test_what_ssh_takes(tmp_path: Path) -> None:
    """Address, port, user and first key of every host that the file names are those that ssh itself uses."""
    extra = tmp_path / "extra"
    extra.write_text(EXTRA, encoding="utf-8")
    config = tmp_path / "config"
    config.write_text(CONFIG.replace("{extra}", str(extra)).replace("lab key", "lab_key"), encoding="utf-8")
    config.chmod(0o600)
    hosts = load_foreign(str(config), Format.SSH).hosts
    assert len(hosts) >= 11
    for host in hosts:
        said = _asked(config, host.name)
        form = host.form
        assert (form.node_address or form.address or "").lower() == said["hostname"], host.name
        assert str(form.port or 22) == said["port"], host.name
        if form.user:
            assert form.user == said["user"], host.name
        if form.key:
            assert form.key == said["identityfile"], host.name
        assert bool(form.node_address) == ("proxyjump" in said), host.name


@needs_ssh
def test_a_file_that_ssh_refuses(tmp_path: Path) -> None:
    """A line that is no keyword with a value is refused by both."""
    config = tmp_path / "config"
    config.write_text('Host "open\n', encoding="utf-8")
    done = subprocess.run(["ssh", "-G", "-F", str(config), "x"], capture_output=True, check=False, timeout=20)
    assert done.returncode != 0
    with pytest.raises(Exception, match=r"config:1"):
        read_foreign(Source(path="config", text=config.read_text(encoding="utf-8")), Format.SSH)


def test_a_home_of_nobody_is_a_line_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~nosuch`, where the way to a host is looked up, and where an inventory is begun."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host box\n UserKnownHostsFile ~nosuch/pins\n", encoding="utf-8")
    text = "fleet: f\nhosts: {box: {role: head, address: box, devices: [{kind: cpu}]}}\n"
    with pytest.raises(ConnectError, match="config cannot be used"):
        route(parse_inventory(text, "f.yaml").head)
    init(tmp_path / "new.yaml", name="f", host=["10.0.0.7"], devices="cuda:1", ssh_config="~nosuch/config")
    assert "10.0.0.7" in (tmp_path / "new.yaml").read_text(encoding="utf-8")


def _asked(config: Path, name: str) -> dict[str, str]:
    """What ssh says, the first value of each keyword."""
    done = subprocess.run(["ssh", "-G", "-F", str(config), name], capture_output=True, check=False, timeout=20)
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, str] = {}
    for line in done.stdout.decode().splitlines():
        keyword, _, value = line.partition(" ")
        found.setdefault(keyword, value)
    return found
