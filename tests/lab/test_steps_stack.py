"""Cards, firewall and tunnel on isolated hosts, by real SSH: applied, found right, and put back."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import boxes
import pytest
from boxes import Box
from step_trials import applied, restored, states, tried

from fleet.model.inventory import Host, Variable
from fleet.model.playbook import Playbook
from fleet.model.stacksteps import FirewallStep, NvidiaStep, Wall, WireguardStep
from fleet.provision.apply import Terms, apply
from fleet.transport.ssh import SshTransport

pytestmark = [pytest.mark.lab, pytest.mark.skipif(boxes.obstacle() is not None, reason=boxes.obstacle() or "")]

STAND_INS = Path(__file__).parent / "stand_ins"
PEERS = ("10.0.0.2", "fd00::2")
PORTS = (8081, 20005, 9999)


@pytest.fixture(scope="module")
def transport() -> Iterator[SshTransport]:
    with closing(SshTransport()) as opened:
        yield opened


def link(one: Box, other: Box, device: str, network: str) -> None:
    """A cable between two boxes: `network`.1 on the one, `network`.2 on the other."""
    words = ["nsenter", "-t", str(one.pid), "--net", "ip", "link", "add", device, "type", "veth"]
    subprocess.run([*words, "peer", "name", device, "netns", str(other.pid)], check=True)
    for box, last in ((one, 1), (other, 2)):
        box.run(f"ip addr add {network}.{last}/24 dev {device}; ip link set {device} up")


@pytest.fixture
def trio() -> Iterator[tuple[Box, Box, Box]]:
    """A box that listens on PORTS, one of the fleet (10.0.0.2), and a stranger (10.0.1.2)."""
    with boxes.running("own") as own, boxes.running("peer") as peer, boxes.running("stranger") as stranger:
        link(own, peer, "veth0", "10.0.0")
        link(own, stranger, "veth1", "10.0.1")
        script = "import socket, time; held = [socket.create_server(('0.0.0.0', p)) for p in PORTS]; time.sleep(600)"
        own.put("/run/listen.py", script.replace("PORTS", str(PORTS)))
        own.run("setsid /usr/bin/env python3 /run/listen.py >/dev/null 2>&1 &")
        assert within(20, lambda: reached(own, "10.0.0.1") == set(PORTS))
        yield own, peer, stranger


def reached(box: Box, address: str) -> set[int]:
    """The PORTS of an address that the box can open a connection to."""
    tries = " ".join(f"(timeout 1 bash -c '</dev/tcp/{address}/{port}' 2>/dev/null && echo {port}) &" for port in PORTS)
    return {int(port) for port in box.run(f"{tries} wait").split()}


def within(seconds: float, condition: object) -> bool:
    """Whether it comes true in time."""
    assert callable(condition)
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    return True


def require(*programs: str, install: str) -> None:
    if missing := [name for name in programs if shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin") is None]:
        pytest.skip(f"not installed: {', '.join(missing)} (apt-get install {install})")


def test_nftables_opens_ports_to_the_fleet_and_to_nobody_else(
    transport: SshTransport, trio: tuple[Box, Box, Box]
) -> None:
    """Other ports stay open to others, the host reaches itself, and what was there before stays."""
    require("nft", install="nftables")
    own, peer, stranger = trio
    own.run("nft add table inet theirs; nft add chain inet theirs mine")
    step = FirewallStep(name="ports", sources=PEERS, ports=("8081", "20000-20299", "51820/udp"), wall=Wall.NFTABLES)
    look = "nft list ruleset; ls /etc/fleet"
    _, meanwhile = tried(transport, own, look, step)
    assert "table inet theirs" in meanwhile
    assert reached(stranger, "10.0.1.1") == set(PORTS)
    assert states(applied(transport, own, step)) == {"changed"}
    assert reached(peer, "10.0.0.1") == reached(own, "10.0.0.1") == set(PORTS)
    assert reached(stranger, "10.0.1.1") == {9999}
    own.run("nft flush ruleset")
    assert states(applied(transport, own, step)) == {"changed"}
    wider = FirewallStep(name="ports", sources=(*PEERS, "10.0.1.0/24"), ports=step.ports, wall=Wall.NFTABLES)
    assert states(applied(transport, own, wider)) == {"changed"}
    assert reached(stranger, "10.0.1.1") == set(PORTS)
    restored(transport, own)
    assert "fleet" not in own.run(look, check=False)


def test_a_firewall_never_closes_ssh(transport: SshTransport) -> None:
    with boxes.running() as box:
        step = FirewallStep(name="ports", sources=PEERS, ports=("20-30",))
        (report,) = applied(transport, box, step)
        assert report.summary == "port 22 is SSH's: closing it would lock fleet out"
        assert states(applied(transport, box, step)) == {"failed"}


def test_ufw_in_force_is_told_of_the_fleet(transport: SshTransport, trio: tuple[Box, Box, Box]) -> None:
    require("ufw", "iptables", install="ufw iptables")
    own, peer, stranger = trio
    only = FirewallStep(name="ports", sources=PEERS[:1], ports=("8081", "20000-20299"), wall=Wall.UFW)
    assert applied(transport, own, only)[0].summary == "ufw is not in force on the host"
    if "active" not in own.run(
        "ufw allow 22/tcp; ufw allow from 10.0.9.9 comment theirs; ufw --force enable", check=False
    ):
        pytest.skip("ufw cannot be put in force in a namespace of this kernel")
    assert reached(peer, "10.0.0.1") == set()
    tried(transport, own, "ufw show added | sort", only)
    assert states(applied(transport, own, only)) == {"changed"}
    assert reached(peer, "10.0.0.1") == {8081, 20005}
    assert reached(stranger, "10.0.1.1") == set()
    restored(transport, own)
    both = FirewallStep(name="ports", sources=PEERS[:1], ports=("8081",))
    assert applied(transport, own, both)[0].summary.endswith("(nftables and ufw)")
    assert reached(peer, "10.0.0.1") == {8081}
    restored(transport, own)
    assert "fleet" not in own.run("ufw show added; nft list tables")
    assert "theirs" in own.run("ufw show added")


def test_a_tunnel_comes_up_between_two_hosts_and_no_private_key_leaves_one(transport: SshTransport) -> None:
    require("wg", "wg-quick", install="wireguard-tools")
    with boxes.running("a") as a, boxes.running("b") as b:
        if "ok" not in a.run("ip link add w type wireguard && echo ok; ip link del w", check=False):
            require("wireguard-go", install="wireguard-go: this kernel has no WireGuard")
        link(a, b, "veth0", "10.0.0")

        def step(number: int, peers: tuple[str, ...]) -> WireguardStep:
            return WireguardStep(name="tunnel", interface="wg0", address=f"10.77.0.{number}/24", peers=peers)

        tried(transport, a, "ip -o addr show dev wg0; ls -l /etc/wireguard | wc -l", step(1, ()))
        for number, box in ((1, a), (2, b)):
            assert states(applied(transport, box, step(number, ()))) == {"changed"}
        keys = [box.run("cat /etc/wireguard/wg0.pub").strip() for box in (a, b)]
        peers = tuple(f"{key} 10.77.0.{n}/32 10.0.0.{n}:51820" for n, key in enumerate(keys, 1))
        up = a.run("cat /sys/class/net/wg0/ifindex")
        for number, box in ((1, a), (2, b)):
            assert states(applied(transport, box, step(number, peers))) == {"changed"}
            assert states(applied(transport, box, step(number, peers))) == {"right"}
        b.put("/run/listen.py", "import socket, time; s = socket.create_server(('10.77.0.2', 8081)); time.sleep(60)")
        b.run("setsid /usr/bin/env python3 /run/listen.py >/dev/null 2>&1 &")
        assert within(40, lambda: reached(a, "10.77.0.2") == {8081})
        # A third peer comes and goes: those that stay are not interrupted, so the interface is the same one.
        third = a.run("wg genkey | wg pubkey").strip()
        more = (*peers, f"{third} 10.77.0.3/32")
        assert states(applied(transport, a, step(1, more))) == {"changed"}
        assert third in a.run("wg show wg0 peers")
        assert states(applied(transport, a, step(1, peers))) == {"changed"}
        assert third not in a.run("wg show wg0 peers")
        assert reached(a, "10.77.0.2") == {8081}
        assert a.run("cat /sys/class/net/wg0/ifindex") == up
        private = a.run("cat /etc/wireguard/wg0.key").strip()
        assert a.run("stat -c %a /etc/wireguard/wg0.key").strip() == "600"
        assert private not in a.run("cat /etc/wireguard/wg0.conf")
        for box in (a, b):
            assert states(restored(transport, box)) == {"changed"}
            assert box.run("ls /etc/wireguard; ip link show wg0 2>/dev/null", check=False) == ""


def test_tunnels_between_hosts_that_are_named_come_up_in_one_run(transport: SshTransport) -> None:
    """One list of peers by their names serves all; a dry run makes no key; a host outside the limit lends its key."""
    require("wg", "wg-quick", install="wireguard-tools")
    with boxes.running("a") as a, boxes.running("b") as b:
        if "ok" not in a.run("ip link add w type wireguard && echo ok; ip link del w", check=False):
            require("wireguard-go", install="wireguard-go: this kernel has no WireGuard")
        link(a, b, "veth0", "10.0.0")
        hosts = [
            replace(box.host, variables=(Variable(name="address", text=f"10.77.0.{number}/24"),))
            for number, box in ((1, a), (2, b))
        ]
        peers = ("a 10.77.0.1/32 10.0.0.1:51820", "b 10.77.0.2/32 10.0.0.2:51820")
        tunnel = WireguardStep(name="tunnel", interface="wg0", address="{{ vars.address }}", peers=peers)
        book = Playbook(name="p", path="p.yaml", steps=(tunnel,))

        def run(*wanted: Host, dry_run: bool = False) -> list[str]:
            terms = Terms(fleet=tuple(hosts))
            reports = apply(transport, book, wanted, lambda _: None, dry_run=dry_run, terms=terms)
            return [f"{report.host} {report.step}: {report.state.value}" for report in reports]

        assert run(*hosts, dry_run=True) == [
            "a tunnel: a key: would_change",
            "a tunnel: would_change",
            "b tunnel: a key: would_change",
            "b tunnel: would_change",
        ]
        assert a.run("ls /etc/wireguard", check=False) == ""
        assert run(hosts[0]) == ["a tunnel: a key: changed", "a tunnel: failed"]
        assert run(*hosts) == [
            "a tunnel: a key: right",
            "a tunnel: changed",
            "b tunnel: a key: changed",
            "b tunnel: changed",
        ]
        assert run(hosts[1]) == ["b tunnel: a key: right", "b tunnel: right"]
        b.put("/run/listen.py", "import socket, time; s = socket.create_server(('10.77.0.2', 8081)); time.sleep(60)")
        b.run("setsid /usr/bin/env python3 /run/listen.py >/dev/null 2>&1 &")
        assert within(40, lambda: reached(a, "10.77.0.2") == {8081})
        for box in (a, b):
            restored(transport, box)
            assert box.run("ls /etc/wireguard; ip link show wg0 2>/dev/null", check=False) == ""


def test_cards_are_set_and_put_back(transport: SshTransport) -> None:
    """With a stand-in for nvidia-smi: this machine has no card."""
    with boxes.running() as box:
        (report,) = applied(transport, box, NvidiaStep(name="cards"))
        assert report.summary in {
            "no NVIDIA card is seen on the bus",
            "there is no NVIDIA driver, though 1 card can be seen",
        }
        box.put("/usr/local/bin/nvidia-smi", (STAND_INS / "nvidia-smi").read_text(), 0o755)
        step = NvidiaStep(
            name="cards", driver="550.54", persistence=True, power_limit=300, application_clocks="2619,1500"
        )
        _, meanwhile = tried(transport, box, "nvidia-smi; cat /run/cards/0 /run/cards/1", step)
        assert meanwhile == "Enabled 300.00 2619 1500\n" * 2
        (report,) = applied(transport, box, NvidiaStep(name="cards", power_limit=500))
        assert report.detail == "Provided power limit 500 W is not a valid power limit"
        (report,) = applied(transport, box, NvidiaStep(name="cards", driver="560"))
        assert report.summary == "NVIDIA driver 550.54.15 is older than 560"
        box.run("touch /run/cards/broken")
        (report,) = applied(transport, box, NvidiaStep(name="cards"))
        assert report.summary.endswith("Driver/library version mismatch")


def test_a_driver_that_waits_for_a_restart_is_said_and_the_host_is_not_restarted(transport: SshTransport) -> None:
    """Stand-ins: a card's driver that was replaced under a running host, modinfo, shutdown."""
    with boxes.running() as box:
        box.put("/usr/local/bin/nvidia-smi", (STAND_INS / "nvidia-smi").read_text(), 0o755)
        box.put("/usr/local/bin/modinfo", "#!/bin/sh\necho 560.35.03\n", 0o755)
        box.put("/usr/local/bin/shutdown", '#!/bin/sh\necho "$@" >>/run/shutdown\n', 0o755)
        box.run("mkdir -p /run/cards; touch /run/cards/broken")
        (report,) = applied(transport, box, NvidiaStep(name="cards", driver="560"))
        assert report.summary == "reboot needed: NVIDIA driver 560.35.03 is installed and not loaded"
        assert box.run("ls /run | grep shutdown", check=False) == ""
