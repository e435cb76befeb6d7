"""How a deployment's agents ask for work, as its own files and containers have it by now."""

from __future__ import annotations

import re
from dataclasses import replace

from fleet.model.bento import Part
from fleet.model.history import Knobs
from fleet.plan.bento.knobs import setting
from fleet.plan.bento.sight import Sight

_SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,3})?")


def as_set(sight: Sight, knobs: Knobs) -> Knobs:
    """The knobs with what the cluster is set to, for each that the operator did not state."""
    poll, refresh = (_seconds(sight, name) for name in ("POLL_TIME", "STREAM_REFRESH_INTERVAL"))
    return replace(
        knobs,
        poll=knobs.poll if knobs.poll_stated or poll is None else poll,
        refresh=knobs.refresh if knobs.refresh_stated or refresh is None else refresh,
        poll_set=poll,
        refresh_set=refresh,
        refreshers=sum(one.alive for one in sight.of(Part.AUXILIARY)) or knobs.refreshers,
    )


def _seconds(sight: Sight, name: str) -> float | None:
    """A timer; None for what is no number of seconds, or milliseconds at the finest."""
    text = setting(sight.file, sight.known, name) or ""
    return float(text) if _SECONDS.fullmatch(text) else None
