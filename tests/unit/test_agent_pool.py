"""The pool of agents on a stand-in of Ray: what an agent's failure means, and who gets the next trial."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from cluster_values import agent, card, host
from ray.exceptions import ActorDiedError, RayError  # noqa: TID251 (what an agent dies of)

from fleet.model.inventory import SyntheticSettings
from fleet.model.record import Outcome
from fleet.model.trial import AgentSpec, Layout
from fleet.model.wire import DriverConfig
from fleet.remote.cluster import pool as pools
from fleet.remote.cluster.agent import AgentConfig, Failed, Settled, Warm
from fleet.remote.cluster.pool import AgentPool, Ended

HOSTS = tuple(host(name, number, [card("gpu0"), card("gpu1")]) for number, name in enumerate(("box", "far")))
BOX, FAR = (Layout(agents=(agent(f"{name}/gpu0"), agent(f"{name}/gpu1")), po2=20) for name in ("box", "far"))
FIRST, SECOND = BOX.agents


class Handle:
    """An agent: what it is told is noted, what it answers is what the test has planted."""

    def __init__(self, spec: AgentSpec, pid: int) -> None:
        self.spec = spec
        self.pid = pid
        self.waits_for: tuple[int, ...] = ()
        self.warmth: object = Warm()
        self.settle = SimpleNamespace(remote=self._settle)
        self.warm_up = SimpleNamespace(remote=lambda _po2: self.warmth)

    def _settle(self, _po2: int, leaving: tuple[int, ...]) -> Settled:
        self.waits_for = leaving
        return Settled(pid=self.pid)


class Cluster:
    """As much of Ray as the pool calls; an answer stands for its reference. All agents that were made are in `made`."""

    def __init__(self) -> None:
        self.made: list[Handle] = []
        self.killed: list[Handle] = []

    def nodes(self) -> list[dict[str, Any]]:
        """All hosts are up."""
        return [
            {"NodeName": each.name, "NodeID": f"{number:056x}", "Alive": True, "Resources": {}}
            for number, each in enumerate(HOSTS, 1)
        ]

    def remote(self, _agent: type) -> Any:
        """What makes agents; the n-th has the process number n."""
        return SimpleNamespace(options=lambda **_options: SimpleNamespace(remote=self._make))

    def _make(self, config: AgentConfig) -> Handle:
        self.made.append(Handle(config.spec, len(self.made) + 1))
        return self.made[-1]

    def kill(self, handle: Handle, *, no_restart: bool) -> None:
        """It is killed once, and for good."""
        assert no_restart
        assert handle not in self.killed
        self.killed.append(handle)

    @staticmethod
    def wait(refs: Sequence[object], **_options: object) -> tuple[Sequence[object], list[object]]:
        """Every answer is there."""
        return refs, []

    @staticmethod
    def get(ref: object) -> object:
        """The answer."""
        if isinstance(ref, RayError):
            raise ref
        return ref


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """In the place of Ray; every host's port answers."""
    found = Cluster()
    monkeypatch.setattr(pools, "ray", found)
    monkeypatch.setattr(pools, "_PULSE", 0.0)
    monkeypatch.setattr("socket.create_connection", lambda *_address, **_named: SimpleNamespace(close=lambda: None))
    return found


@pytest.fixture
def pool(cluster: Cluster) -> AgentPool:
    """Both agents of `BOX` and both of `FAR` are up."""
    config = DriverConfig(
        run="r",
        head="box",
        gcs_port=1,
        token="",
        work_dir="",
        hosts=HOSTS,
        time_scale=1.0,
        workload=SyntheticSettings(),
    )
    found = AgentPool(config)
    for layout in (BOX, FAR):
        found.prepare(layout, lambda: None)
    assert [each.spec for each in cluster.made] == [*BOX.agents, *FAR.agents]
    return found


def test_who_lacked_memory_stays(cluster: Cluster, pool: AgentPool) -> None:
    """It says so with the end of its log; the next trial finds it as it is."""
    ended = pool.explain(FIRST, Failed(message="OutOfMemory", out_of_memory=True, log=("…", "OutOfMemory")))
    assert (ended.outcome, ended.cause, ended.lost) == (Outcome.OUT_OF_MEMORY, "box/gpu0#0: OutOfMemory", ())
    assert ended.log == ("…", "OutOfMemory")
    pool.prepare(BOX, lambda: None)
    assert (len(cluster.made), cluster.killed) == (4, [])


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (Failed(message="gpu0: error 719", out_of_memory=False, log=("error 719",)), "box/gpu0#0: gpu0: error 719"),
        (ActorDiedError(), "box/gpu0#0: ActorDiedError: The actor died unexpectedly before finishing this task."),
        (TypeError("it answered None\nat length"), "box/gpu0#0: TypeError: it answered None"),
    ],
    ids=["it says why", "it is gone", "it answers nonsense"],
)
def test_after_any_other_failure_the_next_trial_gets_another_agent(
    cluster: Cluster, pool: AgentPool, error: BaseException | Failed, cause: str
) -> None:
    """Once that one's process is gone; the other agents of the host stay."""
    ended = pool.explain(FIRST, error)
    assert (ended.outcome, ended.cause, ended.lost) == (Outcome.FAILED, cause, ())
    assert ended.log == (error.log if isinstance(error, Failed) else ())
    assert cluster.killed == cluster.made[:1]
    pool.prepare(BOX, lambda: None)
    assert [(each.spec, each.waits_for) for each in cluster.made[4:]] == [(FIRST, (1,))]
    assert cluster.made[1].waits_for == (1,)
    assert pool.lost == set()


def test_a_host_that_is_gone_takes_its_agents_with_it(
    cluster: Cluster, pool: AgentPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No trial on it begins any more; trials elsewhere go on with the agents that they have."""

    def refused(address: tuple[str, int], **_options: object) -> None:
        assert address[0] == HOSTS[0].node_address
        raise ConnectionRefusedError

    monkeypatch.setattr("socket.create_connection", refused)
    ended = pool.explain(FIRST, ActorDiedError())
    assert (ended.outcome, ended.cause, ended.lost) == (Outcome.HOST_LOST, "box was lost", ("box",))
    assert cluster.killed == cluster.made[:2]
    with pytest.raises(Ended, match="box is not there any more") as caught:
        pool.prepare(BOX, lambda: None)
    assert (caught.value.outcome, caught.value.lost) == (Outcome.HOST_LOST, ("box",))
    pool.prepare(FAR, lambda: None)
    assert len(cluster.made) == 4


def test_of_several_failures_the_lack_of_memory_is_the_cause(cluster: Cluster, pool: AgentPool) -> None:
    """The others may follow from it; who failed otherwise is made anew."""
    cluster.made[0].warmth = ActorDiedError()
    cluster.made[1].warmth = Failed(message="OutOfMemory", out_of_memory=True, log=())
    with pytest.raises(Ended) as caught:
        pool.prepare(BOX, lambda: None)
    assert (caught.value.outcome, caught.value.cause) == (Outcome.OUT_OF_MEMORY, f"{SECOND.name}: OutOfMemory")
    assert cluster.killed == cluster.made[:1]
