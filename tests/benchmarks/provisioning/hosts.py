"""The hosts of the benchmark: so many sshd on loopback addresses, and what each contender needs to find them."""

from __future__ import annotations

import json
import os
import shlex
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fleet.lab import openssh
from fleet.lab.layout import Layout, dressed
from fleet.lab.servers import Backend, Lab
from fleet.model.inventory import Current, Host, Inventory, Login, Ports, Prices, Role, SyntheticSettings
from fleet.plan.shell.journal import USERS_HOME
from fleet.plan.shell.turn import TOGETHER

STEPS = Path(__file__).parent / "steps"
ALONE = os.geteuid() == 0
"""Whether each host has its own state of fleet: locks and journals of one machine would make the hosts take turns."""

# Called as sshd: one that is to listen gets a mount namespace of its own, which ends with it. What changes
# hold, with root's home of fleet in it, is laid over, or it would be one folder for all hosts.
_SSHD = """\
#!/bin/sh
case $1 in
-D)
    mkdir -p -- "$4.state/home" "$4.state/upper" "$4.state/work" {home} || exit 1
    exec unshare --mount --propagation private "$0" apart "$@" ;;
apart)
    shift
    mount --bind -- "$4.state/home" {home} || exit 1
    layers=lowerdir={together},upperdir=$4.state/upper,workdir=$4.state/work
    mount -t overlay -o "$layers" overlay {together} || exit 1 ;;
esac
exec {sshd} "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Running hosts. `folder` has fleet.yaml, hosts.ini (Ansible), hosts.py (pyinfra), hosts.json, ssh_config.

    `work` is where the steps put their files: a folder of its own for each host, as they share one disk.
    """

    count: int
    folder: Path
    work: Path
    port: int


@contextmanager
def site(folder: Path, count: int) -> Iterator[Site]:
    """So many hosts, up until the block ends."""
    port = free_port()
    plain = _inventory(count, port)
    work = folder / "work"
    work.mkdir()
    with _apart(folder), Lab(plain.hosts, Layout(folder / "lab"), backend=Backend.OPENSSH):
        hosts = dressed(plain, folder / "lab").hosts
        key, known = hosts[0].login.key or "", hosts[0].login.known_hosts or ""
        user = hosts[0].login.user or ""
        _write(folder, hosts, work, user=user, key=key, known=known)
        yield Site(count=count, folder=folder, work=work, port=port)


@contextmanager
def _apart(folder: Path) -> Iterator[None]:
    """Until the block ends, the sshd that a lab finds keeps its state of fleet for itself (ALONE)."""
    real, path = openssh.program(), os.environ["PATH"]
    if ALONE and real:
        home = shlex.quote(str(Path.home() / USERS_HOME))
        (folder / "bin").mkdir()
        (folder / "bin" / "sshd").write_text(_SSHD.format(sshd=shlex.quote(real), home=home, together=TOGETHER))
        (folder / "bin" / "sshd").chmod(0o755)
        os.environ["PATH"] = f"{folder / 'bin'}:{path}"
    try:
        yield
    finally:
        os.environ["PATH"] = path


def free_port() -> int:
    """A port that nobody has on this machine, so that no other lab is met."""
    with socket.create_server(("", 0)) as door:
        return int(door.getsockname()[1])


def _inventory(count: int, port: int) -> Inventory:
    hosts = tuple(
        Host(
            name=f"host-{number:02}",
            role=Role.WORKER if number else Role.HEAD,
            login=Login(address=f"127.0.6.{number + 1}", port=port),
            node_address=f"127.0.6.{number + 1}",
            devices=(),
            ports=Ports(first=20000, last=20299),
            python="python3",
            work_dir=".fleet",
            lab=True,
        )
        for number in range(count)
    )
    return Inventory(
        name="provisioning",
        path="",
        hosts=hosts,
        current=Current(),
        prices=Prices(),
        workload=SyntheticSettings(),
    )


def _write(folder: Path, hosts: tuple[Host, ...], work: Path, *, user: str, key: str, known: str) -> None:
    port = hosts[0].login.port
    addresses = {host.name: host.login.address for host in hosts}
    fleet = [
        "fleet: provisioning",
        f"defaults: {{user: {user}, port: {port}, key: {key}, known_hosts: {known}}}",
        "hosts:",
    ]
    for number, (name, address) in enumerate(addresses.items()):
        role = "" if number else "role: head, "
        devices = "devices: [{kind: cpu, count: 1}]"
        fleet.append(f"  {name}: {{{role}address: {address}, work_dir: {work}/{name}, {devices}}}")
    (folder / "fleet.yaml").write_text("\n".join(fleet) + "\n")
    options = f"-o UserKnownHostsFile={known}"
    ansible = [f"{name} ansible_host={address} work={work}/{name}" for name, address in addresses.items()]
    common = f"ansible_port={port}\nansible_user={user}\nansible_ssh_private_key_file={key}\n"
    (folder / "hosts.ini").write_text(
        "\n".join([*ansible, "[all:vars]", f"{common}ansible_ssh_common_args='{options}'", ""])
    )
    details = {"ssh_user": user, "ssh_port": port, "ssh_key": key, "ssh_known_hosts_file": known}
    pyinfra = [
        (address, details | {"work": f"{work}/{name}", "ssh_strict_host_key_checking": "yes"})
        for name, address in addresses.items()
    ]
    (folder / "hosts.py").write_text(f"hosts = {pyinfra!r}\n")
    (folder / "hosts.json").write_text(
        json.dumps({"addresses": list(addresses.values()), "port": port, "user": user, "key": key, "known": known})
    )
