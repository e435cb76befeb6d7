"""Which classes of the model carry `"kind"` in a text, and what it says. Bare hosts load it: standard library only."""

from __future__ import annotations

import functools
import re
import typing

from fleet.model.playbook import Step

FORMS = "fleet.codec."
STEPS = frozenset(f"fleet.model.{name}" for name in ("hoststeps", "journal", "playbook", "stacksteps"))
"""Modules whose classes are in no union, or in `Step` alone: what needs only these does not load the others."""


def snake_case(name: str) -> str:
    """`HostSample` → `host_sample`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def tag_of(cls: type) -> str | None:
    """The value of `kind` that this class carries; None for a class that is in no union."""
    if cls.__module__.startswith(FORMS):
        return None
    tagged = typing.get_args(Step) if cls.__module__ in STEPS else _tagged()
    return snake_case(cls.__name__) if cls in tagged else None


@functools.cache
def _tagged() -> frozenset[type]:
    """The members of all unions; with them nearly all of the model is loaded."""
    from fleet.model.event import Event  # noqa: PLC0415 (takes as long to load as a host takes to answer)
    from fleet.model.samples import Sample  # noqa: PLC0415 (likewise)
    from fleet.model.wire import Spooled, ToController, ToDriver, ToHand, ToNode  # noqa: PLC0415 (likewise)

    unions = (Step, Sample, Event, ToNode, ToDriver, ToHand, ToController, Spooled)
    return frozenset(member for union in unions for member in typing.get_args(union))
