"""Questions about planted clusters that leave what was measured, with the truth of each by brute force.

The clusters are the decision benchmark's. Hardware that is asked about and not there is like what is: cards like the
box's first, hosts like its worker. No truth comes from `fleet.twin` or `fleet.analyse`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from planted_fleets import campaign

from fleet.analyse.foretell.changes import changed_layout
from fleet.analyse.foretell.outlook import Premises, Workbench, outlook, workbench
from fleet.analyse.foretell.prediction import prediction
from fleet.analyse.foretell.room import too_large
from fleet.errors import ConfigurationError
from fleet.model.inventory import Host, Inventory
from fleet.model.simulation import Change
from fleet.model.trial import Budget, Layout
from fleet.plan.trials.graphs import expected_graph
from fleet.plan.trials.layouts import feasible
from tests.benchmarks.decision.clusters import WORKER
from tests.benchmarks.decision.truth import REFINED, Case, Oracle, case

PREMISES = Premises(graph=expected_graph, fits=feasible)

QUESTIONS = {
    "a GPU": Change(gpus=1),
    "two GPUs": Change(gpus=2),
    "four GPUs": Change(gpus=4),
    "a worker": Change(remotes=1),
    "two workers": Change(remotes=2),
    "four workers": Change(remotes=4),
    "both": Change(gpus=1, remotes=2),
}


@dataclass(frozen=True, kw_only=True)
class Answered:
    """One question's answer in relative gain, and what is true. `steps`: how far it leaves what was measured."""

    seed: int
    limit: str
    question: str
    steps: float
    low: float
    value: float
    high: float
    truth: float

    @property
    def held(self) -> bool:
        """Whether the truth lies in the interval."""
        return self.low <= self.truth <= self.high

    @property
    def width(self) -> float:
        """Of the interval, as a ratio of rates."""
        return (1 + self.high) / (1 + self.low) - 1


def answered(seed: int) -> tuple[Answered, ...]:
    """All questions about the cluster of a seed that its run can answer."""
    known = case(seed)
    cluster = known.cluster
    try:
        bench = workbench(campaign(cluster.shown, cluster.truth, cluster.seed, Budget()), PREMISES)
    except ConfigurationError:
        return ()
    return tuple(_answers(known, bench))


def _answers(known: Case, bench: Workbench) -> Iterator[Answered]:
    now = known.rate(known.current)
    for name, change in _questions(known):
        try:
            layout = changed_layout(bench.found, change)
            if too_large(bench, layout):
                continue
            told = prediction(bench, outlook(bench, layout, change))
        except ConfigurationError:
            continue
        if told.measured is None:
            yield Answered(
                seed=known.cluster.seed,
                limit=known.cluster.limit,
                question=name,
                steps=sum(one.steps for one in told.beyond),
                low=told.gain.low,
                value=told.gain.value,
                high=told.gain.high,
                truth=true_hz(known, layout) / now - 1,
            )


def _questions(known: Case) -> Iterator[tuple[str, Change]]:
    """The table's, and every feasible setting."""
    yield from QUESTIONS.items()
    for layout in known.grid:
        yield "settings", Change(po2=layout.po2, agents=layout.agents_per_device)


def true_hz(known: Case, layout: Layout) -> float:
    """What the planted machine gives in a layout, with the hardware that it lacks."""
    inventory = known.cluster.inventory
    there = {host.name for host in inventory.hosts}
    missing = sorted({agent.host for agent in layout.agents} - there)
    model = inventory.host(WORKER)
    hosts = (*inventory.hosts, *(replace(model, name=name) for name in missing))
    return Oracle(inventory=_grown(inventory, hosts, layout), truth=known.cluster.truth).hz(layout, REFINED)


def _grown(inventory: Inventory, hosts: tuple[Host, ...], layout: Layout) -> Inventory:
    return replace(inventory, hosts=tuple(_with_devices(host, layout) for host in hosts))


def _with_devices(host: Host, layout: Layout) -> Host:
    have = {device.name for device in host.devices}
    new = [name for where, name in layout.devices if where == host.name and name not in have]
    return replace(host, devices=(*host.devices, *(replace(host.devices[0], name=name) for name in new)))
