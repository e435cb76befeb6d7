"""The task database of a head that is reached by SSH only: through a tunnel, with real sshd and a real PostgreSQL."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bento_databases import guide_job, made, put

from fleet.errors import ConnectError
from fleet.lab import openssh
from fleet.lab.account import user_name
from fleet.lab.layout import Layout, prepare
from fleet.lab.servers import answers
from fleet.model.inventory import Host, Inventory
from fleet.transport.keyring import Keyring
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
