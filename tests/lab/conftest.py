"""What the tests of labs share: an inventory of lab hosts on free ports, and a state home that is the test's own."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fleet.lab.openssh import program
from fleet.model.inventory import Current, Host, Inventory, Login, Ports, Prices, Role, SyntheticSettings
from fleet.transport.ssh import SshTransport


@pytest.fixture
def free_port() -> Callable[[str], int]:
    """A port of a loopback address that nobody listens on."""

    def find(address: str) -> int:
        with socket.create_server((address, 0)) as listener:
            port: int = listener.getsockname()[1]
            return port

    return find


@pytest.fixture
def lab_inventory(free_port: Callable[[str], int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Inventory:
    """Three lab hosts, box-0 … box-2, the first of them the head; their lab lies under the test's own state home."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state home"))
    hosts = tuple(
        Host(
            name=f"box-{number}",
            role=Role.WORKER if number else Role.HEAD,
            login=Login(address=address, port=free_port(address), connect_timeout=5.0),
            node_address=address,
            devices=(),
            ports=Ports(first=1, last=2),
            python="python3",
            work_dir="/nowhere",
            lab=True,
        )
        for number, address in enumerate(("127.0.0.42", "127.0.0.43", "127.0.0.44"))
    )
    return Inventory(
        name="three",
        path="three.yaml",
        hosts=hosts,
        current=Current(),
        prices=Prices(),
        workload=SyntheticSettings(),
    )


@pytest.fixture(params=["openssh", "builtin"])
def backend(request: pytest.FixtureRequest) -> str:
    """Each lab backend by its name; OpenSSH only where it is installed."""
    name: str = request.param
    if name == "openssh" and program() is None:
        pytest.skip("OpenSSH's sshd is not installed: apt-get install openssh-server")
    return name


@pytest.fixture
def ssh() -> Iterator[SshTransport]:
    """SSH to hosts, closed after the test."""
    with closing(SshTransport()) as transport:
        yield transport
