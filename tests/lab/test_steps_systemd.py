"""Units, and what is to survive a restart, on a host that a real systemd runs, by real SSH."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing

import boxes
import pytest
from boxes import Box
from step_trials import applied, restored, states, tried

from fleet.model.hoststeps import Activity, UnitStep
from fleet.model.stacksteps import DockerStep, FirewallStep, Wall, WireguardStep
from fleet.transport.ssh import SshTransport

OBSTACLE = boxes.obstacle() or boxes.no_systemd()

pytestmark = [pytest.mark.lab, pytest.mark.skipif(OBSTACLE is not None, reason=OBSTACLE or "")]

SLEEPS = "[Unit]\nDescription=Sleeps\n\n[Service]\nExecStart=/bin/sleep {}\n\n[Install]\nWantedBy=multi-user.target\n"
LOOK = """
cd /etc/systemd/system; ls -R . | sort; cat own.service old.service; readlink lib.service
for one in own old lib; do systemctl is-enabled $one; systemctl is-active $one; done
ps -eo args | grep '^/bin/sleep' | sort
"""


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    with boxes.booted() as found:
        yield found


@pytest.fixture(scope="module")
def transport() -> Iterator[SshTransport]:
    with closing(SshTransport()) as opened:
        yield opened


def test_units_are_written_enabled_masked_and_started_and_put_back(transport: SshTransport, box: Box) -> None:
    """What runs is the new content, afterwards the old one again: as the processes show, not what systemctl says."""
    box.put("/etc/systemd/system/old.service", SLEEPS.format(1111))
    box.put("/lib/systemd/system/lib.service", SLEEPS.format(2222))
    box.run("systemctl daemon-reload; systemctl enable --now old; systemctl start lib")
    before, meanwhile = tried(
        transport,
        box,
        LOOK,
        UnitStep(name="own", unit="own.service", content=SLEEPS.format(3333), enabled=True, state=Activity.STARTED),
        UnitStep(name="old", unit="old.service", content=SLEEPS.format(4444), enabled=False),
        UnitStep(name="lib", unit="lib.service", masked=True),
    )
    assert before.endswith("enabled\nactive\ndisabled\nactive\n/bin/sleep 1111\n/bin/sleep 2222\n")
    ends = "/dev/null\nenabled\nactive\ndisabled\nactive\nmasked\ninactive\n/bin/sleep 3333\n/bin/sleep 4444\n"
    assert meanwhile.endswith(ends)


def test_a_unit_that_somebody_stopped_or_edited_is_wrong_again(transport: SshTransport, box: Box) -> None:
    step = UnitStep(name="own", unit="own.service", content=SLEEPS.format(5555), enabled=True, state=Activity.STARTED)
    assert states(applied(transport, box, step)) == {"changed"}
    for meddling, cure in (
        ("systemctl stop own", "own.service: start"),
        ("systemctl disable own", "own.service: enable"),
        ("sed -i s/5555/6666/ /etc/systemd/system/own.service", "own.service: rewrite it, restart"),
        ("systemctl disable --now own; systemctl mask own; systemctl daemon-reload", None),
    ):
        box.run(meddling, check=False)
        (report,) = applied(transport, box, step)
        assert report.state == "changed", report
        assert cure in {None, report.summary}
        assert box.run("ps -eo args | grep '^/bin/sleep 5555'")
    restored(transport, box)
    assert box.run("systemctl is-active own", check=False) == "inactive\n"


def test_a_unit_that_systemd_refuses_or_that_dies_is_a_failure_that_says_why(transport: SshTransport, box: Box) -> None:
    nothing = UnitStep(
        name="nothing", unit="bad.service", content="[Service]\nRestart=always\n", state=Activity.STARTED
    )
    (report,) = applied(transport, box, nothing)
    assert report.state == "failed"
    assert "bad unit file setting" in report.detail
    restored(transport, box)
    content = "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo no card here >&2; exit 7'\n"
    dies = UnitStep(name="dies", unit="dies.service", content=content, state=Activity.STARTED)
    (report,) = applied(transport, box, dies)
    assert report.state == "failed"
    assert "dies.service" in report.detail
    restored(transport, box)
    assert box.run("ls /etc/systemd/system | grep -E 'bad|dies'", check=False) == ""


def test_timers_and_sockets_are_units_too(transport: SshTransport, box: Box) -> None:
    socket = "[Socket]\nListenStream=127.0.0.1:7777\nAccept=yes\n\n[Install]\nWantedBy=sockets.target\n"
    timer = "[Timer]\nOnCalendar=yearly\nUnit=lib.service\n\n[Install]\nWantedBy=timers.target\n"
    _, meanwhile = tried(
        transport,
        box,
        "systemctl is-active echo.socket yearly.timer; ss -ltn | grep -o 127.0.0.1:7777",
        UnitStep(name="answer", unit="echo@.service", content="[Service]\nExecStart=/bin/cat\nStandardInput=socket\n"),
        UnitStep(name="listen", unit="echo.socket", content=socket, enabled=True, state=Activity.STARTED),
        UnitStep(name="tick", unit="yearly.timer", content=timer, enabled=True, state=Activity.STARTED),
    )
    assert meanwhile == "active\nactive\n127.0.0.1:7777\n"


def test_firewall_rules_come_back_when_the_host_starts(transport: SshTransport, box: Box) -> None:
    """The unit that loads them is started as a start of the host would start it."""
    if shutil.which("nft", path="/usr/sbin:/usr/bin") is None:
        pytest.skip("nftables is not installed: apt-get install nftables")
    step = FirewallStep(name="ports", sources=("10.0.0.2",), ports=("8081",), wall=Wall.NFTABLES)
    look = "nft list ruleset; ls /etc/fleet; ls -R /etc/systemd/system | sort; systemctl is-enabled fleet-firewall"
    _, meanwhile = tried(transport, box, look, step)
    assert meanwhile.endswith("enabled\n")
    assert states(applied(transport, box, step)) == {"changed"}
    rules = box.run("nft list ruleset; nft flush ruleset")
    box.run("systemctl start multi-user.target")
    assert box.run("nft list ruleset") == rules
    restored(transport, box)


def test_a_tunnel_comes_up_when_the_host_starts(transport: SshTransport, box: Box) -> None:
    """Its unit is enabled with it, brings it up as a start of the host would, and is disabled when it is put back."""
    if any(shutil.which(name, path="/usr/sbin:/usr/bin") is None for name in ("wg", "wg-quick", "wireguard-go")):
        pytest.skip("WireGuard is not installed: apt-get install wireguard-tools wireguard-go")
    box.run("mkdir -p /dev/net; [ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200")
    step = WireguardStep(name="tunnel", interface="wg0", address="10.77.0.1/24")
    look = "ip -o addr show dev wg0 | grep -o '10.77.0.1/24'; systemctl is-enabled wg-quick@wg0; ls -A /etc/wireguard"
    before, meanwhile = tried(transport, box, look, step)
    assert "enabled" not in before.split()
    assert meanwhile == "10.77.0.1/24\nenabled\nwg0.conf\nwg0.key\nwg0.pub\n"
    assert states(applied(transport, box, step)) == {"changed"}
    box.run("wg-quick down wg0; systemctl start multi-user.target; systemctl start wg-quick@wg0")
    assert box.run(look) == meanwhile
    assert states(applied(transport, box, step)) == {"right"}
    assert states(restored(transport, box)) == {"changed"}
    assert box.run(look, check=False) == before


def test_the_engine_is_started_and_enabled_by_its_unit_and_stands_still_again(
    transport: SshTransport, box: Box
) -> None:
    """The real Docker Engine, as the distribution's unit starts it."""
    if shutil.which("dockerd", path="/usr/sbin:/usr/bin") is None:
        pytest.skip("Docker Engine is not installed: apt-get install docker.io")
    box.run("systemctl disable docker docker.socket containerd; mount -t tmpfs tmpfs /var/lib/docker", check=False)
    box.put(
        "/etc/docker/daemon.json", '{"storage-driver": "vfs", "iptables": false, "ip6tables": false, "bridge": "none"}'
    )
    look = "systemctl is-enabled docker; systemctl is-active docker; docker info --format '{{.Driver}}'"
    before, meanwhile = tried(transport, box, look, DockerStep(name="docker"))
    assert before.split() == ["disabled", "inactive"]
    assert meanwhile.split() == ["enabled", "active", "vfs"]
