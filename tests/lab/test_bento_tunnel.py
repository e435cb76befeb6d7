"""Ways to a head: the task database through SSH, with a real PostgreSQL; workers of other networks by WireGuard."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import boxes
import pytest
from bento_databases import guide_job, made, put
from boxes import Box
from planted_fleets import guide_box

from fleet.errors import ConfigurationError, ConnectError
from fleet.lab import openssh
from fleet.lab.account import user_name
from fleet.lab.layout import Layout, prepare
from fleet.lab.servers import answers
from fleet.model.bento import BentoSettings
from fleet.model.inventory import Host, Inventory, Role
from fleet.plan.bento.attaching import head_playbook
from fleet.plan.bento.tunnel import call_of
from fleet.provision.apply import Terms, apply
from fleet.provision.bentotunnel import laid, taken_from
from fleet.provision.bentoworker import Addition, detach
from fleet.transport.keyring import Keyring
from fleet.transport.ssh import SshTransport
from fleet.transport.tunnel import tunnel
from fleet.workload.bento.records.past import DatabaseError, Wanted
from fleet.workload.bento.records.session import address_of, endpoint, through
from fleet.workload.bento.records.taskdb import read_past


@contextmanager
def head(host: Host, directory: Path, forwarding: str) -> Iterator[Host]:
    """A real sshd that lets connections through, or does not."""
    layout = Layout(directory)
    prepare((host,), layout)
    sshd, config = openssh.program(), layout.config(host.name)
    text = openssh.configuration(
        host, host_key=layout.host_key(host.name), authorized=layout.authorized, home=layout.home(host.name)
    )
    config.write_text(text.replace("AllowTcpForwarding no", f"AllowTcpForwarding {forwarding}"))
    if sshd is None or openssh.obstacle(sshd, config):
        pytest.skip("no OpenSSH: apt-get install openssh-server")
    with subprocess.Popen(openssh.argv(sshd, config), stderr=subprocess.DEVNULL) as server:
        try:
            while not answers(host):
                time.sleep(0.02)
            login = replace(
                host.login, user=user_name(), key=str(layout.client_key), known_hosts=str(layout.known_hosts)
            )
            yield replace(host, login=login)
        finally:
            server.kill()


def test_a_database_behind_ssh(lab_inventory: Inventory, tmp_path: Path, postgres: Any, database: str) -> None:
    """The same figures as from nearby; its password is looked for under the name that the head has for it."""
    made(postgres.url(database))
    put(postgres.url(database), guide_job(21.66015), 8_650_752)
    postgres.sql(database, "CREATE ROLE reader LOGIN PASSWORD 'word:with\\colon'")
    postgres.sql(database, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    passwords = tmp_path / "pgpass"
    passwords.write_text(f"127.0.0.1:*:{database}:reader:word\\:with\\\\colon\n")
    passwords.chmod(0o600)
    with pytest.MonkeyPatch.context() as patch, head(lab_inventory.hosts[0], tmp_path, "yes") as there:
        patch.setenv("PGPASSFILE", str(passwords))
        patch.delenv("PGPASSWORD", raising=False)
        address = address_of(f"postgresql://reader@127.0.0.1:{postgres.port}/{database}", secret=False)
        with tunnel(there, Keyring(), endpoint(address)) as port:
            (job,) = read_past(through(address, port, there.name), Wanted()).jobs
            assert f"{job.hz:.4f}" == "399385.5998"
            postgres.sql(database, "REVOKE SELECT ON tasks FROM reader")
            with pytest.raises(DatabaseError, match="of box-0: the user may not read"):
                read_past(through(address, port, there.name), Wanted())
        with pytest.raises(DatabaseError, match="no server answers"):
            read_past(through(address, port, there.name), Wanted())


@pytest.mark.parametrize(("forwarding", "port"), [("no", None), ("yes", 1)])
def test_what_the_head_does_not_reach_is_said(
    lab_inventory: Inventory, tmp_path: Path, forwarding: str, port: int | None
) -> None:
    """A server that lets nothing through, and a port where nobody listens: one line with the host's name."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        head(lab_inventory.hosts[0], tmp_path, forwarding) as there,
        pytest.raises(ConnectError, match=r"box-0: nothing answers there on 127.0.0.1:.*AllowTcpForwarding"),
        tunnel(there, Keyring(), ("127.0.0.1", port or listener.getsockname()[1])),
    ):
        pass


LISTEN = "import socket, time; s = socket.create_server(('0.0.0.0', 8081)); time.sleep(600)"
LOOK = "ls -A /etc/wireguard /etc/fleet 2>/dev/null; ip link show fleet-bento 2>/dev/null; nft list tables"


def cable(one: Box, other: Box, device: str, network: str) -> None:
    """Between two boxes: `network`.1 on the one, `network`.2 on the other."""
    words = ["nsenter", "-t", str(one.pid), "--net", "ip", "link", "add", device, "type", "veth"]
    subprocess.run([*words, "peer", "name", device, "netns", str(other.pid)], check=True)
    for box, last in ((one, 1), (other, 2)):
        box.run(f"ip addr add {network}.{last}/24 dev {device}; ip link set {device} up")


def answered(box: Box, address: str) -> bool:
    """Whether the head's port answers to the box, sooner or later."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if box.run(f"timeout 3 bash -c '</dev/tcp/{address}/8081' 2>/dev/null && echo yes; true").strip():
            return True
    return False


@pytest.mark.lab
@pytest.mark.skipif(boxes.obstacle() is not None, reason=boxes.obstacle() or "")
@pytest.mark.timeout(300)
def test_workers_of_other_networks_come_by_a_tunnel_and_are_forgotten_one_by_one() -> None:
    """The second changes nothing for the first; the same again changes nothing; with the last the head is as before.

    Keys stay where they were made. The head's firewall forgets them, too.
    """
    if missing := [name for name in ("wg", "wg-quick", "wireguard-go", "nft") if shutil.which(name) is None]:
        pytest.skip(f"not installed: {', '.join(missing)} (apt-get install wireguard-tools wireguard-go nftables)")
    with (
        boxes.running("head") as head_box,
        boxes.running("one") as one,
        boxes.running("two") as two,
        closing(SshTransport()) as transport,
    ):
        cable(head_box, one, "veth0", "10.0.0")
        cable(head_box, two, "veth1", "10.0.1")
        there = replace(head_box.host, role=Role.HEAD)
        before = head_box.run(LOOK, check=False)
        head_box.put("/run/listen.py", LISTEN)
        head_box.run("setsid /usr/bin/env python3 /run/listen.py >/dev/null 2>&1 &")
        far: dict[str, Host] = {}
        for box, network, address in ((one, "10.0.0", "10.77.0.2"), (two, "10.0.1", "10.77.0.3"), (one, "10.0.0", "")):
            call = call_of("10.77.0.0/24", f"{network}.1:51820", "unused")
            terms = Terms(inventory="trial", fleet=(there, box.host))
            own, given, reports = laid(transport, there, box.host, call, lambda _: None, terms)
            assert (own, given) == ("10.77.0.1", address or "10.77.0.2")
            if not address:  # once more, as after an addition that was cut off
                assert {report.state.value for report in reports} == {"right"}
            far[box.host.name] = replace(box.host, node_address=given)
            assert answered(box, own)
        with pytest.raises(ConfigurationError, match=r"the head's tunnel is 10.77.0.1/24 already"):
            laid(transport, there, one.host, call_of("10.9.0.0/24", None, "h"), lambda _: None, Terms())
        terms = Terms(inventory="trial", fleet=(there, *far.values()))
        for left in ([*far.values()], [far["two"]]):
            book = head_playbook(["8081"], [there.node_address, *(host.node_address for host in left)])
            apply(transport, book, [there], lambda _: None, dry_run=False, terms=terms)
            rules = head_box.run("nft list ruleset")
            assert [address in rules for address in ("10.77.0.2", "10.77.0.3")] == [len(left) == 2, True]
        taken_from(transport, there, far["one"], lambda _: None, terms)
        peers = head_box.run("wg show fleet-bento allowed-ips").split()
        assert peers[1:] == ["10.77.0.3/32"]
        assert answered(two, "10.77.0.1")
        inventory = replace(guide_box(), hosts=(there, far["two"]))
        addition = Addition(inventory=inventory, settings=BentoSettings(compose="/c.yml"), worker=far["two"])
        two.run("rm -r /etc/wireguard/fleet-bento.pub")  # then it is known by its address
        assert {report.state.value for report in detach(transport, addition, lambda _: None, terms)} == {"changed"}
        assert head_box.run(LOOK, check=False) == before
