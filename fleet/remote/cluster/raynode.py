"""One Ray node, in a process of its own: the child that `node` starts and ends.

stdin: one `NodeConfig` line, then nothing; its end ends us. stdout: `NodeReady` or `RemoteError`, later `RemoteError`.
"""

from __future__ import annotations

import os
import platform
import queue
import socket
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from fleet import __version__
from fleet.errors import MeasureError
from fleet.model.wire import NodeConfig, NodeReady, RemoteError
from fleet.remote.cluster.raysettings import NODE_SETTINGS, RAY_VERSION
from fleet.remote.mailbox import Gone, Line, claim_stdin, claim_stdout, listen, read
from fleet.remote.paths import paths
from fleet.remote.portplan import node_ports
from fleet.remote.processes import die_with

if TYPE_CHECKING:
    from fleet.remote.cluster.lean import LeanNode

_PROVISION = "run `fleet provision` on the inventory"
HEAD_PATIENCE = 60.0
"""Seconds that a worker waits for the head, which is started at the same time."""
_WATCH = 0.5
_POLL = 0.05


def main() -> int:
    """Bring the node up, say so, and stay until it falls or the one that started us is gone."""
    die_with(os.getppid())
    say = claim_stdout()
    inbox: queue.SimpleQueue[Line | Gone] = queue.SimpleQueue()
    threading.Thread(target=listen, args=(claim_stdin(), inbox.put), kwargs={"silence": None}, daemon=True).start()
    first = inbox.get()
    if isinstance(first, Gone):
        return 1
    config = read(NodeConfig, first)
    try:
        node = start(config)
    except Exception as error:  # noqa: BLE001 (whatever Ray raises is the reason why this host cannot be used)
        say(_failure(config, error))
        return 1
    say(_ready(config))
    while inbox.empty():
        if (fallen := node.fallen()) is not None:
            say(RemoteError(host=config.host, message=fallen))
            return 1
        time.sleep(_WATCH)
    return 0


def start(config: NodeConfig) -> LeanNode:
    """Start the node's processes; they die with this one. MeasureError, or whatever Ray raises."""
    os.environ.update(NODE_SETTINGS, RAY_AUTH_TOKEN=config.token)
    os.environ.pop("RAY_ADDRESS", None)
    ports = node_ports(config.ports)
    head = config.address == config.head
    _check_free((ports.node_manager, ports.object_manager, *([config.gcs_port] if head else [])))
    try:
        from fleet.remote.cluster import lean  # noqa: PLC0415 (Ray reads its settings when it is imported, and may be missing)
    except ImportError as error:
        raise MeasureError(f"Ray cannot be imported: {error}", hint=_PROVISION) from error
    if lean.VERSION != RAY_VERSION:
        raise MeasureError(f"Ray {lean.VERSION} is here, fleet needs {RAY_VERSION}", hint=_PROVISION)
    if not head:
        _await_head(config)
    workers = [port for port in range(ports.first_worker, ports.last_worker + 1) if _free(port)]
    return lean.start_node(config, ports, workers)


def _await_head(config: NodeConfig) -> None:
    until = time.monotonic() + HEAD_PATIENCE
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection((config.head, config.gcs_port), timeout=HEAD_PATIENCE / 4):
            return
        time.sleep(_POLL)
    raise MeasureError(
        f"the head's Ray at {config.head}:{config.gcs_port} cannot be reached from here",
        hint="node_address must be an address that the hosts reach each other by, and the ports must be open",
    )


def _free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


def _check_free(ports: Iterable[int]) -> None:
    """Ray would wait half a minute before it says, in a log, that a port is taken."""
    if taken := [port for port in ports if not _free(port)]:
        raise MeasureError(
            f"port {taken[0]} is in use on this host", hint="another run may use it, or choose other `ports`"
        )


def _ready(config: NodeConfig) -> NodeReady:
    return NodeReady(
        host=config.host,
        pid=os.getppid(),
        python=platform.python_version(),
        ray=RAY_VERSION,
        fleet=__version__,
    )


def _failure(config: NodeConfig, error: Exception) -> RemoteError:
    said = error.message if isinstance(error, MeasureError) else f"Ray does not start: {str(error).strip()}"
    hint = error.hint if isinstance(error, MeasureError) else f"look into {paths(config.work_dir).node_log} there"
    return RemoteError(host=config.host, message=said.splitlines()[0][:500], hint=hint)


if __name__ == "__main__":
    sys.exit(main())
