"""A host that is drained while a run is under way: its trial finishes, and no further one is given to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from planted_fleets import guide_box, layout
from planted_machine import Truth, observe

from fleet.measure.loop import measure
from fleet.model.event import Event
from fleet.model.record import Observation
from fleet.model.trial import Budget, Load, Plan, Trial
from fleet.workload.draining import Draining

HOSTS = ("box", "far0", "far1")


class Planted:
    """A cluster whose truth is known; what is called on it is remembered."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def run(self, trial: Trial, progress: Callable[[int, int], None]) -> Observation:
        progress(1, 1)
        return observe(guide_box(), Truth(trial_noise=0.01, task_noise=0.01), trial)

    def alive(self) -> frozenset[str]:
        return frozenset(HOSTS)

    def __enter__(self) -> Self:
        self.calls.append("enter")
        return self

    def __exit__(self, *exc: object) -> None:
        self.calls.append("exit")


def test_what_is_drained_in_the_middle_of_a_run_gets_no_further_trial() -> None:
    drained: set[str] = set()
    seen: list[Observation] = []
    told: list[Event] = []

    def keep(observation: Observation) -> None:
        seen.append(observation)
        if any(agent.host == "far0" for agent in observation.trial.layout.agents):
            drained.add("far0")

    plan = Plan(
        run="r", current=layout(20, box=2), load=Load(iterations=4096), budget=Budget(trials=20), seed=1, hosts=HOSTS
    )
    planted = Planted()
    with Draining(planted, lambda: frozenset(drained)) as workload:
        measure(plan, guide_box(), workload, history=(), keep=keep, observe=told.append)
    users = [n for n, o in enumerate(seen) if any(a.host == "far0" for a in o.trial.layout.agents)]
    assert len(users) == 1
    assert len(seen) > users[0] + 1
    assert any(a.host == "far1" for o in seen[users[0] + 1 :] for a in o.trial.layout.agents)
    assert planted.calls == ["enter", "exit"]
