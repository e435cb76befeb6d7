"""What binds the layout in service, and how that is known. "Bus" is never said without evidence of transfers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fleet.analyse.arms import Arm
from fleet.analyse.bounds import bus_busy, executor_share
from fleet.analyse.findings import Findings
from fleet.analyse.identity import shares
from fleet.analyse.scaling import inflation
from fleet.model.record import TaskKind
from fleet.model.verdict import Bottleneck, Estimate, Share
from fleet.twin.calibrate import host_times

EXECUTOR_SHARE = 0.8
"""The executor binds where it is at work for this share of the job: proving then waits for segments."""

NOTABLE_INFLATION = 1.03
TRANSFER_SHARE = 0.5
"""Transfers explain an inflation where at least half of the added seconds are theirs."""

BUS_BUSY = 0.7
WAITING = 0.15
GRAPH_WAITING = 0.25
DEVICE_BUSY = 0.7


@dataclass(frozen=True, kw_only=True)
class Signs:
    """What the rules look at. None = not known."""

    share: Share
    executor: float | None
    stretch: Estimate | None
    added: float | None
    added_transfer: float | None
    bus_busy: float | None


def bottleneck(found: Findings, base: Arm) -> Bottleneck:
    """The first rule that holds for the layout in service."""
    signs = _signs(found, base)
    return next((known for rule in _RULES if (known := rule(signs)) is not None), _unknown(signs))


def _signs(found: Findings, base: Arm) -> Signs:
    box = found.box.name
    alone = found.alone(box)
    one = host_times(alone.jobs, box, TaskKind.PROVE) if alone else None
    now = host_times(base.jobs, box, TaskKind.PROVE)
    crowded = alone is not None and alone is not base and one is not None and now is not None
    added_transfer = None
    if crowded and one and now and one.transfer is not None and now.transfer is not None:
        added_transfer = now.transfer - one.transfer
    return Signs(
        share=shares([base])[0],
        executor=executor_share(base),
        stretch=inflation(alone, base, found.spread, box) if crowded and alone else None,
        added=now.seconds - one.seconds if crowded and one and now else None,
        added_transfer=added_transfer,
        bus_busy=bus_busy(base, box),
    )


def _executor(signs: Signs) -> Bottleneck | None:
    if signs.executor is None or signs.executor < EXECUTOR_SHARE:
        return None
    return Bottleneck(
        code="executor",
        text="the executor: segments come no faster than it cuts them",
        evidence=(f"it is at work for {signs.executor:.0%} of the job",),
    )


def _bus(signs: Signs) -> Bottleneck | None:
    if signs.stretch is None or signs.stretch.low < NOTABLE_INFLATION:
        return None
    evidence = [_stretched(signs.stretch)]
    if signs.bus_busy is not None:
        evidence.append(f"the bus was busy {signs.bus_busy:.0%} of the time")
    moved = signs.added_transfer is not None and signs.added is not None
    if signs.added_transfer is not None and signs.added is not None:
        evidence.append(
            f"{signs.added:.2f} s are added; moving bytes takes {signs.added_transfer:.2f} s more than alone"
        )
        explained = signs.added_transfer >= TRANSFER_SHARE * signs.added
    else:
        explained = signs.bus_busy is not None and signs.bus_busy >= BUS_BUSY
    if not explained:
        return None
    text = "the bus that the box's devices share"
    return Bottleneck(code="bus", text=text if moved else f"{text}, by its busy share", evidence=tuple(evidence))


def _dispatch(signs: Signs) -> Bottleneck | None:
    if signs.share.dispatch < WAITING:
        return None
    return Bottleneck(
        code="dispatch",
        text="dispatch: agents wait although tasks are ready",
        evidence=(f"agents wait for dispatch {signs.share.dispatch:.0%} of their time",),
    )


def _task_graph(signs: Signs) -> Bottleneck | None:
    if signs.share.graph < GRAPH_WAITING:
        return None
    return Bottleneck(
        code="task_graph",
        text="the job's task graph: there is too little to do at once for so many agents",
        evidence=(f"agents have nothing to do {signs.share.graph:.0%} of their time",),
    )


def _device(signs: Signs) -> Bottleneck | None:
    shared = signs.stretch is not None and signs.stretch.low >= NOTABLE_INFLATION
    if signs.share.busy < DEVICE_BUSY or shared:
        return None
    evidence = [f"agents are busy {signs.share.busy:.0%} of their time"]
    if signs.stretch is not None:
        evidence.append(_stretched(signs.stretch))
    return Bottleneck(code="device", text="the devices: they prove nearly all the time", evidence=tuple(evidence))


def _unknown(signs: Signs) -> Bottleneck:
    evidence = [f"agents are busy {signs.share.busy:.0%} of their time"]
    if signs.stretch is not None:
        evidence.append(_stretched(signs.stretch))
    return Bottleneck(
        code="unknown", text="not known: what is seen does not single out one cause", evidence=tuple(evidence)
    )


def _stretched(stretch: Estimate) -> str:
    return (
        f"a prove takes {stretch.value:.2f} times as long as on one device alone "
        f"(95 %: {stretch.low:.2f} to {stretch.high:.2f})"
    )


_RULES: tuple[Callable[[Signs], Bottleneck | None], ...] = (_executor, _bus, _dispatch, _task_graph, _device)
