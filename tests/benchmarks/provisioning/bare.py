"""The floor: paramiko connects to every host in threads and runs one command each. `python bare.py HOSTS.JSON`.

It prefers the ciphers that fleet prefers, since those cost less, and prints seconds: on the wall, and of processors.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import paramiko  # noqa: TID251 (the floor is what anybody would write with it)

THREADS = 32
"""As many as fleet has."""


def _frugal(way: Any, *, disabled_algorithms: Any = None) -> paramiko.Transport:
    transport = paramiko.Transport(way, disabled_algorithms=disabled_algorithms)
    options = transport.get_security_options()
    options.ciphers = sorted(options.ciphers, key=lambda cipher: "-gcm@" not in cipher)
    return transport


def main() -> int:
    """Do it once; the exit code is the worst of the hosts'."""
    started, used = time.perf_counter(), time.process_time()
    there = json.loads(Path(sys.argv[1]).read_text("utf-8"))

    def once(address: str) -> int:
        client = paramiko.SSHClient()
        client.load_host_keys(there["known"])
        client.connect(
            address,
            port=there["port"],
            username=there["user"],
            key_filename=there["key"],
            allow_agent=False,
            look_for_keys=False,
            transport_factory=_frugal,  # type: ignore[arg-type]  # the annotations are older than paramiko 5
        )
        _, output, _ = client.exec_command("true")
        output.read()
        status: int = output.channel.recv_exit_status()
        client.close()
        return status

    with ThreadPoolExecutor(THREADS) as pool:
        worst = max(pool.map(once, there["addresses"]))
    print(time.perf_counter() - started, time.process_time() - used)  # noqa: T201 (it is a program)
    return worst


sys.exit(main())
