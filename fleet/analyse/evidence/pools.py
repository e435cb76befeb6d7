"""Which pool of service times a device draws from: its host's, or its model's where a host has cards of several models.

A fast and a slow card in one box would otherwise be replayed as two average ones, and a third as a third average.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from fleet.analyse.evidence.findings import Findings
from fleet.model.inventory import Host
from fleet.model.record import TaskRecord
from fleet.model.trial import AgentSpec
from fleet.twin.calibrate import Place, by_host, device_of
from fleet.twin.replay import Worker


def mixed(host: Host) -> bool:
    """Whether its devices are of several models."""
    return len({device.model for device in host.devices}) > 1


def usual_model(host: Host) -> str:
    """The model of most of its devices, the first on a tie: what one more of them is taken to be."""
    return Counter(device.model for device in host.devices).most_common(1)[0][0]


def place_of(found: Findings) -> Place:
    """The pool that a task's time belongs to in this run."""
    models = {(h.name, d.name): d.model for h in found.log.inventory.hosts if mixed(h) for d in h.devices}

    def place(task: TaskRecord) -> str:
        model = models.get((task.host or "", device_of(task) or ""), "")
        return Worker(host=by_host(task), device="", model=model).pool

    return place


def crew(found: Findings, agents: Iterable[AgentSpec]) -> tuple[Worker, ...]:
    """One worker for each agent, with its device's model where its host has several."""
    hosts = {host.name: host for host in found.log.inventory.hosts}
    models = {(h.name, d.name): d.model for h in hosts.values() if mixed(h) for d in h.devices}
    return tuple(
        Worker(host=agent.host, device=agent.device, model=models.get((agent.host, agent.device), ""))
        for agent in agents
    )


def one_more(host: Host, device: str) -> Worker:
    """An agent on a device more in a host, of the model that it has most of."""
    return Worker(host=host.name, device=device, model=usual_model(host) if mixed(host) else "")


def pool_of(host: Host, model: str) -> str:
    """The pool that a model of a host's devices is served from."""
    return Worker(host=host.name, device="", model=model if mixed(host) else "").pool


def pools_of(host: Host) -> tuple[str, ...]:
    """All pools of a host."""
    return tuple(dict.fromkeys(pool_of(host, device.model) for device in host.devices))


def alike(host: Host, device: str) -> tuple[str, ...]:
    """The devices of a host that are of one device's model."""
    model = next((d.model for d in host.devices if d.name == device), None)
    return tuple(d.name for d in host.devices if d.model == model)
