"""OpenSSH's sshd for one lab host, with more lines in its configuration than a lab's own."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence

import pytest

from fleet.lab import openssh
from fleet.lab.layout import Layout
from fleet.lab.servers import answers
from fleet.model.inventory import Host


def started_sshd(layout: Layout, host: Host, lines: Sequence[str]) -> subprocess.Popen[bytes]:
    """The server, once it answers; the caller ends it. The test is skipped where there is no OpenSSH."""
    sshd = openssh.program()
    config = layout.config(host.name)
    text = openssh.configuration(
        host, host_key=layout.host_key(host.name), authorized=layout.authorized, home=layout.home(host.name)
    )
    # The first of two lines about the same thing holds.
    config.write_text("\n".join([*lines, text]))
    if sshd is None or (why := openssh.obstacle(sshd, config)):
        pytest.skip(f"no OpenSSH: {why if sshd else 'sshd is not installed'}; apt-get install openssh-server")
    with layout.log(host.name).open("wb") as log:
        server = subprocess.Popen(openssh.argv(sshd, config), stderr=log)
    while not answers(host):
        assert server.poll() is None, layout.log(host.name).read_text()
        time.sleep(0.02)
    return server
