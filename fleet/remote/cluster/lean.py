"""A Ray node with nothing on it that fleet does not use. Knows one version of Ray by heart; `raynode` sees to that.

Where `ray start` brings up a dashboard, an autoscaler, a log monitor and two agents for each node, this brings up the
GCS server (on the head) and a raylet: on two cores three nodes are up after 1.5 s instead of 11 s, and each takes
250 MB less. Fewer parts listen, too. It reaches into `ray._private` for that.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ray
from ray._private import services
from ray._private.node import Node
from ray._private.parameter import RayParams
from ray._raylet import GcsClient  # type: ignore[attr-defined]  # compiled

from fleet.model.wire import OBJECT_STORE, NodeConfig
from fleet.remote.addresses import ip, own_ip
from fleet.remote.cluster import standin
from fleet.remote.paths import paths, ray_folder
from fleet.remote.portplan import NodePorts

VERSION: str = ray.__version__
REGISTRATION_PATIENCE = 30.0
"""Seconds for a raylet to join its cluster; as many as Ray waits itself."""
_POLL = 0.05


class _Node(Node):
    def start_ray_processes(self) -> None:
        """Ray's own next step asks once for the new node, and then every second."""
        super().start_ray_processes()  # type: ignore[no-untyped-call]  # Ray's own
        gcs: GcsClient = self.get_gcs_client()  # type: ignore[no-untyped-call]  # likewise
        await_node(gcs, lambda node: node.node_id.hex() == self.node_id, REGISTRATION_PATIENCE)

    def start_api_server(self, *, include_dashboard: bool | None, raise_on_failure: bool) -> None:
        """Not even the part of it that Ray starts without a dashboard."""


def await_node(gcs: GcsClient, wanted: Callable[[Any], bool], patience: float) -> bool:
    """Wait until the cluster has such a node (as GcsNodeInfo), for so many seconds at most; whether it has."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        if any(wanted(node) for node in gcs.get_all_node_info(timeout=patience).values()):
            return True
        time.sleep(_POLL)
    return False


class LeanNode:
    """The processes of one node, which die with the one that made this (and with the thread: make it in the first)."""

    def __init__(self, node: Any) -> None:
        self._node = node

    def fallen(self) -> str | None:
        """Which of the processes has ended, in words; None while all run."""
        for kind, process in self._node.dead_processes():
            return f"Ray's {kind} has ended (status {process.returncode})"
        return None


def start_node(config: NodeConfig, ports: NodePorts, workers: Sequence[int]) -> LeanNode:
    """Start the processes and wait until the cluster knows the node; `workers`: ports for agents. Raises what Ray does.

    To be called once in a process: it changes Ray for good.
    """
    plain = services.start_ray_process

    def lean(command: list[str], process_type: str, *rest: Any, **options: Any) -> Any:
        return plain(lean_command(command, process_type), process_type, *rest, **options)

    services.start_ray_process = lean
    if not _is_head(config):
        # Ray looks for the head's node once, and then every two seconds.
        gcs = GcsClient(address=f"{ip(config.head)}:{config.gcs_port}")
        await_node(gcs, lambda node: bool(node.is_head_node), REGISTRATION_PATIENCE)
    parameters = RayParams(**_parameters(config, ports, workers))
    return LeanNode(_Node(parameters, head=_is_head(config), shutdown_at_exit=False, spawn_reaper=True))


def lean_command(command: Sequence[str], process_type: str) -> list[str]:
    """A raylet's command with stand-ins for its agents and no workers started in advance; others as they are."""
    if process_type != "raylet":
        return list(command)
    flags = dict(word.removeprefix("--").split("=", 1) for word in command if _is_flag(word))
    base = (sys.executable, "-I", "-S", str(Path(standin.__file__)), flags["session_dir"], flags["node_id"])
    nobody = ("metrics_agent_port=-1", "metrics_export_port=-1", "dashboard_agent_listen_port=-1")
    runtime = f"runtime_env_agent_port={flags['runtime_env_agent_port']}"
    flags["dashboard_agent_command"] = subprocess.list2cmdline((*base, *nobody))
    flags["runtime_env_agent_command"] = subprocess.list2cmdline((*base, runtime))
    flags["num_prestart_python_workers"] = "0"
    return [*(word for word in command if not _is_flag(word)), *(f"--{name}={value}" for name, value in flags.items())]


def _is_flag(word: str) -> bool:
    return word.startswith("--") and "=" in word


def object_store(wanted: int, shared: Path = Path("/dev/shm")) -> int:  # noqa: S108 (where Ray keeps it)
    """Of the bytes wanted, what this machine can spare: half of its free shared memory; never less than is usual."""
    try:
        found = os.statvfs(shared)
    except OSError:
        return min(wanted, OBJECT_STORE)
    return min(wanted, max(OBJECT_STORE, found.f_bavail * found.f_frsize // 2))


def _is_head(config: NodeConfig) -> bool:
    return config.address == config.head


def _parameters(config: NodeConfig, ports: NodePorts, workers: Sequence[int]) -> Mapping[str, Any]:
    """What `RayParams` is made of; the names are Ray's."""
    head = _is_head(config)
    return {
        "node_ip_address": own_ip(config.address) if head else own_ip(config.address, ip(config.head)),
        "node_name": config.host,
        "gcs_server_port": config.gcs_port if head else None,
        "gcs_address": None if head else f"{ip(config.head)}:{config.gcs_port}",
        "node_manager_port": ports.node_manager,
        "object_manager_port": ports.object_manager,
        "metrics_agent_port": ports.metrics_agent,
        "metrics_export_port": ports.metrics_export,
        "dashboard_agent_listen_port": ports.dashboard_agent,
        "runtime_env_agent_port": ports.runtime_env_agent,
        "worker_port_list": ",".join(map(str, workers)),
        "num_cpus": os.cpu_count(),
        "num_gpus": 0,
        "object_store_memory": object_store(config.object_store),
        "temp_dir": str(ray_folder(paths(config.work_dir))),
        "include_dashboard": False,
        "include_log_monitor": False,
        "no_monitor": True,
    }
