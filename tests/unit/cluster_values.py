"""Hosts, inventories and trials as the tests of the cluster use them."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from fleet.model.inventory import (
    Current,
    Device,
    DeviceKind,
    Emulation,
    Host,
    Inventory,
    Login,
    Ports,
    Prices,
    Role,
    SyntheticSettings,
)
from fleet.model.trial import AgentSpec, Experiment, Layout, Load, Trial

EMULATION = Emulation(cycles_per_second=4e5, overhead=0.2, join=0.5, traffic=500.0)


def card(name: str) -> Device:
    """An emulated card of 16 GB."""
    return Device(name=name, kind=DeviceKind.EMULATED, model="card", memory=16 * 10**9, emulation=EMULATION)


def core(name: str) -> Device:
    """A core of the machine."""
    return Device(name=name, kind=DeviceKind.CPU, model="core")


def host(name: str, number: int, devices: Sequence[Device], *, work_dir: str = "", ports: int = 26000) -> Host:
    """The `number`-th host, from 0: the first is the head. Each has its own loopback address and 60 ports."""
    first = ports + 60 * number
    return Host(
        name=name,
        role=Role.WORKER if number else Role.HEAD,
        login=Login(address="127.0.0.1"),
        node_address=f"127.0.0.{61 + number}",
        devices=tuple(devices),
        ports=Ports(first=first, last=first + 59),
        python=sys.executable,
        work_dir=work_dir or f"/nowhere/{name}",
        bus=2e9,
    )


def inventory(hosts: Sequence[Host], time_scale: float = 25.0) -> Inventory:
    """An inventory of these hosts."""
    return Inventory(
        name="cluster",
        path="cluster.yaml",
        hosts=tuple(hosts),
        current=Current(),
        prices=Prices(),
        workload=SyntheticSettings(),
        time_scale=time_scale,
    )


def agent(text: str) -> AgentSpec:
    """`box/gpu0#1`; the first agent on a device where no number is given."""
    where, _, slot = text.partition("#")
    name, _, device = where.partition("/")
    return AgentSpec(host=name, device=device, slot=int(slot or 0))


def trial(*agents: str, po2: int = 20, iterations: int = 1024, jobs: int = 1, repeat: int = 0) -> Trial:
    """A trial with these agents."""
    return Trial(
        experiment=Experiment.BASELINE,
        layout=Layout(agents=tuple(sorted(map(agent, agents))), po2=po2),
        load=Load(iterations=iterations, jobs=jobs),
        repeat=repeat,
        seed=7,
    )
