"""What makes a prove take longer in company: every suspect with what was seen of it and what one change did to it.

A suspect is named only where it is seen together with the inflation, and it is the cause only where the one change that
takes it away takes the inflation away too. What nobody looked at is said to be so; nothing is cleared by silence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fleet.analyse.causes.contrasts import NOTABLE, Contrasts, contrasts_of
from fleet.analyse.causes.sights import (
    Scene,
    Sight,
    bus_sight,
    cpu_sight,
    memory_sight,
    power_sight,
    scene_of,
    slicing_sight,
    thermal_sight,
)
from fleet.analyse.evidence.findings import Findings
from fleet.model.estimate import Estimate
from fleet.model.inventory import DeviceKind
from fleet.model.verdict import Standing, Suspect
from fleet.units import task_word

RELIEF = 0.5
"""A change agrees with a suspect where it takes away at least this share of the inflation."""

NO_LOSS = 0.9
"""… and several agents of a device gain nothing where one each gives at least this share of their pace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A suspect in general: how to look for it, and the one change that shows whether it is the cause.

    `cards`: only cards can have it; cores of a host share no bus and no power limit of that kind.
    """

    code: str
    text: str
    look: Callable[[Scene], Sight]
    intervention: str
    cards: bool = False


OF_NEIGHBOURS = (
    Profile(
        code="bus",
        text="the bus that the box's devices share",
        look=bus_sight,
        intervention="run the same devices one to a box, or one of them alone: what moving bytes adds must go away",
        cards=True,
    ),
    Profile(
        code="cpu",
        text="the box's CPUs: agents wait for a core",
        look=cpu_sight,
        intervention="raise the CPU limit of the agents (or give them cores of their own), and measure again",
    ),
    Profile(
        code="power",
        text="power: the devices clock down when all of them work",
        look=power_sight,
        intervention="raise the power limit (`nvidia-smi -pl`) where the supply allows it, and measure again",
        cards=True,
    ),
    Profile(
        code="thermal",
        text="heat: the devices clock down when all of them work",
        look=thermal_sight,
        intervention="let more air at the devices, or lower the power limit, and measure again",
        cards=True,
    ),
)
"""What neighbours in a box can do to each other, and leaves traces of its own."""

MEMORY = Profile(
    code="dram",
    text="the host's memory, which the box's devices share",
    look=memory_sight,
    intervention="bind each agent to its device's NUMA node (`numactl --cpunodebind --membind`), and measure again",
)
"""It leaves no trace of its own: it is suspected where all others were looked at and none is there."""

SLICING = Profile(
    code="time_slicing",
    text="time-slicing: the agents of a device take turns on it",
    look=slicing_sight,
    intervention="one agent a device, or MPS: the same pace from fewer agents",
)


def suspects_of(found: Findings) -> tuple[Suspect, ...]:
    """Every suspect for what company does to a prove in the layout in service; none where it does nothing notable."""
    if found.base is None:
        return ()
    contrasts = contrasts_of(found, found.base)
    scene = scene_of(contrasts)
    suspects: list[Suspect] = []
    if contrasts.neighbours is not None and contrasts.neighbours.low >= NOTABLE:
        suspects += _of_neighbours(scene, cards=_of_cards(found))
    if found.base.layout.agents_per_device > 1:
        sight = slicing_sight(scene)
        result, agrees = _slicing_result(contrasts)
        suspects.append(_suspect(SLICING, sight, result, agrees=agrees, rivals=0))
    return tuple(suspects)


def named(suspects: Sequence[Suspect]) -> Suspect | None:
    """The cause; else the one suspect that is seen where the inflation is. None where it is nobody, or several."""
    causes = [each for each in suspects if each.standing is Standing.CAUSE]
    seen = causes or [each for each in suspects if each.standing is Standing.CORRELATED]
    return seen[0] if len(seen) == 1 else None


def _of_cards(found: Findings) -> bool:
    """Whether the box's devices in service are cards, not cores."""
    used = set(found.log.plan.current.devices)
    return any(d.kind is not DeviceKind.CPU for d in found.box.devices if (found.box.name, d.name) in used)


def _of_neighbours(scene: Scene, *, cards: bool) -> list[Suspect]:
    sights = [(profile, profile.look(scene)) for profile in OF_NEIGHBOURS if cards or not profile.cards]
    sights.append((MEMORY, MEMORY.look(scene).among([sight for _, sight in sights])))
    result, agrees = _apart_result(scene.contrasts)
    there = sum(sight.there is True for _, sight in sights)
    return [_suspect(profile, sight, result, agrees=agrees, rivals=there - 1) for profile, sight in sights]


def _suspect(profile: Profile, sight: Sight, result: str | None, *, agrees: bool | None, rivals: int) -> Suspect:
    """A profile with what was found; a change that several suspects would answer to convicts none of them."""
    match sight.there, agrees:
        case (False, _) | (_, False):
            standing = Standing.CLEARED
        case None, _:
            standing = Standing.UNKNOWN
        case _, True if rivals <= 0:
            standing = Standing.CAUSE
        case _:
            standing = Standing.CORRELATED
    return Suspect(
        code=profile.code,
        text=profile.text,
        standing=standing,
        seen=sight.seen,
        intervention=profile.intervention,
        result=None if sight.there is False else result,
    )


def _apart_result(contrasts: Contrasts) -> tuple[str | None, bool | None]:
    """What boxes of their own did to the inflation, and whether it is the box's then."""
    inside, apart = contrasts.neighbours, contrasts.apart
    if inside is None or apart is None or contrasts.distant is None:
        return None, None
    relief = (inside.value - apart.value) / (inside.value - 1)
    count = len(contrasts.distant.layout.devices)
    text = (
        f"{count} devices in {count} boxes: a {task_word()} takes {_times(apart)} times as long as alone, "
        f"in one box {_times(inside)} times"
    )
    return text, relief >= RELIEF


def _slicing_result(contrasts: Contrasts) -> tuple[str | None, bool | None]:
    if contrasts.single is None or contrasts.agents is None:
        return None, None
    pace = contrasts.single.hz / contrasts.base.hz
    return f"one agent each gives {pace:.2f} of the pace of {contrasts.base.layout.agents_per_device}", pace >= NO_LOSS


def _times(estimate: Estimate) -> str:
    return f"{estimate.value:.2f}"
