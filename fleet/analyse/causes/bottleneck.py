"""What binds the layout in service, and how that is known. "Bus" is never said without evidence of transfers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fleet.analyse.causes.anatomy import COORDINATOR_BUSY, coordinator
from fleet.analyse.causes.attribution import named, suspects_of
from fleet.analyse.causes.bounds import executor_share
from fleet.analyse.causes.contrasts import NOTABLE
from fleet.analyse.causes.scaling import inflation
from fleet.analyse.evidence.arms import Arm
from fleet.analyse.evidence.findings import Findings
from fleet.analyse.evidence.identity import shares
from fleet.model.anatomy import Share
from fleet.model.estimate import Estimate
from fleet.model.verdict import Bottleneck, Suspect
from fleet.units import format_share, task_word, work_word

EXECUTOR_SHARE = 0.8
"""The executor binds where it is at work for this share of the job: proving then waits for segments."""

WAITING = 0.15
GRAPH_WAITING = 0.25
DEVICE_BUSY = 0.7


@dataclass(frozen=True, kw_only=True)
class Signs:
    """What the rules look at. None = not known."""

    share: Share
    executor: float | None
    coordinator: float | None
    stretch: Estimate | None
    suspects: tuple[Suspect, ...]


def bottleneck(found: Findings, base: Arm) -> Bottleneck:
    """The first rule that holds for the layout in service."""
    signs = _signs(found, base)
    return next((known for rule in _RULES if (known := rule(signs)) is not None), _unknown(signs))


def _signs(found: Findings, base: Arm) -> Signs:
    box = found.box.name
    alone = found.alone(box)
    return Signs(
        share=shares([base])[0],
        executor=executor_share(base),
        coordinator=coordinator(base),
        stretch=inflation(alone, base, found.spread, box) if alone is not None and alone is not base else None,
        suspects=suspects_of(found),
    )


def _executor(signs: Signs) -> Bottleneck | None:
    if signs.executor is None or signs.executor < EXECUTOR_SHARE:
        return None
    return Bottleneck(
        code="executor",
        text="the executor: segments come no faster than it cuts them",
        evidence=(f"it is at work for {format_share(signs.executor)} of the job",),
    )


def _coordinator(signs: Signs) -> Bottleneck | None:
    if signs.coordinator is None or signs.coordinator < COORDINATOR_BUSY:
        return None
    return Bottleneck(
        code="coordinator",
        text="the coordinator: tasks are handed out one at a time, and no faster",
        evidence=(f"handing out tasks takes {format_share(signs.coordinator)} of the time",),
    )


def _company(signs: Signs) -> Bottleneck | None:
    """What the devices do to each other, by the suspect that is seen: nobody is named without evidence."""
    suspect = named(signs.suspects)
    if suspect is None:
        return None
    evidence = [_stretched(signs.stretch)] if signs.stretch is not None else []
    evidence += [*suspect.seen, *([suspect.result] if suspect.result else [])]
    return Bottleneck(code=suspect.code, text=suspect.text, evidence=tuple(evidence))


def _dispatch(signs: Signs) -> Bottleneck | None:
    if signs.share.dispatch < WAITING:
        return None
    return Bottleneck(
        code="dispatch",
        text="dispatch: agents wait although tasks are ready",
        evidence=(f"agents wait for dispatch {format_share(signs.share.dispatch)} of their time",),
    )


def _task_graph(signs: Signs) -> Bottleneck | None:
    if signs.share.graph < GRAPH_WAITING:
        return None
    return Bottleneck(
        code="task_graph",
        text="the job's task graph: there is too little to do at once for so many agents",
        evidence=(f"agents have nothing to do {format_share(signs.share.graph)} of their time",),
    )


def _device(signs: Signs) -> Bottleneck | None:
    shared = signs.stretch is not None and signs.stretch.low >= NOTABLE
    if signs.share.busy < DEVICE_BUSY or shared:
        return None
    evidence = [f"agents are busy {format_share(signs.share.busy)} of their time"]
    if signs.stretch is not None:
        evidence.append(_stretched(signs.stretch))
    return Bottleneck(
        code="device", text=f"the devices: they {work_word()} nearly all the time", evidence=tuple(evidence)
    )


def _unknown(signs: Signs) -> Bottleneck:
    evidence = [f"agents are busy {format_share(signs.share.busy)} of their time"]
    if signs.stretch is not None:
        evidence.append(_stretched(signs.stretch))
    evidence += dict.fromkeys(suspect.result for suspect in signs.suspects if suspect.result)
    text = _NOT_ATTRIBUTED if signs.suspects else "not known: what is seen does not single out one cause"
    return Bottleneck(code="unknown", text=text, evidence=tuple(evidence))


_NOT_ATTRIBUTED = "not attributed: tasks take longer in company, and what was recorded does not say why"


def _stretched(stretch: Estimate) -> str:
    return (
        f"a {task_word()} takes {stretch.value:.2f} times as long as on one device alone "
        f"(95 %: {stretch.low:.2f} to {stretch.high:.2f})"
    )


_RULES: tuple[Callable[[Signs], Bottleneck | None], ...] = (
    _executor,
    _coordinator,
    _company,
    _dispatch,
    _task_graph,
    _device,
)
