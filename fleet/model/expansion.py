"""Adding a worker: how far it has come, what it was expected to give, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fleet.model.estimate import Estimate
from fleet.model.inventory import Host


class Stage(StrEnum):
    """How far an addition has come; each stage may be done again without harm."""

    TRUST = "trust"
    PROVISION = "provision"
    MEASURE = "measure"
    KEEP = "keep"
    ROLL_BACK = "roll back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """An addition that has begun: what is kept on disk so that the next command can finish or undo it.

    `entry`: the host's fields as one line of YAML; None = the inventory has the host already, as a candidate. `run`:
    the stored run that its trials belong to. `trial`: the host is to be as before at the end. `journal`: changes of
    this provisioning and later ones are the addition's. `had`: what earlier runs had left there before it. `pinned_as`:
    under which name it has pinned the host's key, in the known_hosts file `pinned_in`; empty = it was known before.
    `others`: the hosts in service, which are provisioned along, and what earlier runs had left on each.
    """

    host: str
    entry: str | None
    run: str
    stage: Stage
    trial: bool = False
    journal: str = ""
    had: tuple[str, ...] = ()
    pinned_as: str = ""
    pinned_in: str = ""
    others: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Marginal:
    """What one more worker gives: `gain` over the layout in service, from pairs of trials with it and without it.

    `predicted`: what the twin said before the first trial with it, None = there was nothing to replay; `basis` says
    from what. `pairs` that were measured, `precise`: whether they sufficed for the interval that was wanted.
    """

    host: str
    without: Estimate
    together: Estimate
    gain: Estimate
    predicted: Estimate | None
    basis: tuple[str, ...]
    pairs: int
    precise: bool
    emulated: bool

    @property
    def as_predicted(self) -> bool | None:
        """Whether the two intervals meet; None where nothing was predicted."""
        if self.predicted is None:
            return None
        return self.predicted.low <= self.gain.high and self.gain.low <= self.predicted.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """A worker as `fleet worker list` shows it.

    `problem`: why it cannot be reached, None = it answers. `share`: of the prove tasks of the last trial with it,
    None = never measured. `stage`: of an addition that was not finished.
    """

    host: Host
    problem: str | None
    share: float | None
    stage: Stage | None = None
