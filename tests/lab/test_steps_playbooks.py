"""Shipped playbooks on an isolated host by real SSH: leaving a host takes what is fleet's and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import boxes
import pytest
from step_trials import states

from fleet.codec import load_playbook
from fleet.model.inventory import Ports
from fleet.provision.agents import shipped_playbook
from fleet.provision.apply import apply
from fleet.transport.ssh import SshTransport

pytestmark = pytest.mark.lab
BOXED = pytest.mark.skipif(boxes.obstacle() is not None, reason=boxes.obstacle() or "")

THEIRS = """
mkdir -p /root/fleet/venv /root/fleet/spool /root/fleet/sent /root/fleet/bundle /root/fleet/notes /etc/fleet
touch /root/fleet/sent/a.tgz /root/fleet/bundle/complete
touch /root/fleet/venv/pyvenv.cfg /root/fleet/spool/a /root/fleet/notes/precious
echo 'vm.swappiness = 10' >/etc/sysctl.d/60-fleet-vm.swappiness.conf
echo 'vm.swappiness = 20' >/etc/sysctl.d/60-theirs.conf
nft add table inet fleet_0123abcd; nft add table inet fleet_of_theirs; nft add table inet theirs
echo 'table inet fleet_0123abcd {}' >/etc/fleet/firewall-0123abcd.nft
echo theirs >/etc/fleet/notes
"""


@BOXED
def test_teardown_removes_what_is_fleets_and_nothing_else() -> None:
    if shutil.which("nft", path="/usr/sbin:/usr/bin") is None:
        pytest.skip("nftables is not installed: apt-get install nftables")
    book = load_playbook(str(shipped_playbook("teardown.yaml")))
    with boxes.running() as box, closing(SshTransport()) as transport:
        box.run(THEIRS)
        host = replace(box.host, work_dir="/root/fleet")
        assert states(apply(transport, book, [host], lambda _: None, dry_run=True)) == {"would_change"}
        found = apply(transport, book, [host], lambda _: None, dry_run=False)
        assert states(found) == {"changed"}, found
        assert states(apply(transport, book, [host], lambda _: None, dry_run=False)) == {"right"}
        left = box.run("cd /root/fleet; find . | sort; ls /etc/fleet; ls /etc/sysctl.d | grep 60-; nft list tables")
    assert left == (
        ".\n./notes\n./notes/precious\nnotes\n60-theirs.conf\ntable inet fleet_of_theirs\ntable inet theirs\n"
    )


def test_an_installed_fleet_has_the_playbooks_of_a_checkout(tmp_path: Path) -> None:
    """In the wheel that pip would install, beside the package, where `shipped_playbook` looks first."""
    top = Path(__file__).parents[2]
    words = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(words, cwd=top, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        for file in (top / "playbooks").glob("*.yaml"):
            assert archive.read(f"fleet/playbooks/{file.name}") == file.read_bytes()


@BOXED
def test_the_fleets_firewall_of_a_worker_follows_the_inventory() -> None:
    """The ports are the host's own and the sources the hosts of the inventory, both without being typed again."""
    if shutil.which("nft", path="/usr/sbin:/usr/bin") is None:
        pytest.skip("nftables is not installed: apt-get install nftables")
    book = load_playbook(str(shipped_playbook("gpu-worker.yaml")))
    book = replace(book, steps=tuple(step for step in book.steps if "firewall" in step.tags))
    with boxes.running() as box, closing(SshTransport()) as transport:
        hosts = [replace(box.host, ports=Ports(first=21000, last=21099), node_address="10.1.2.3")]
        found = apply(transport, book, hosts, lambda _: None, dry_run=False)
        assert [report.state.value for report in found] == ["right", "changed"], found
        rules = box.run("nft list ruleset")
    assert "ip saddr 10.1.2.3 tcp dport 21000-21099 accept" in rules
    assert "tcp dport 21000-21099 drop" in rules
