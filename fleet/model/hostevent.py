"""Events of hosts, and remarks: what provisioning tells, without the records that the other events carry."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.model.facts import Failure
from fleet.model.playbook import StepReport


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFailed:
    """A host dropped out; the others go on."""

    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDone:
    """A step was asked, changed or failed on a host."""

    report: StepReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something worth a line; `warning` where the operator should look."""

    text: str
    warning: bool = False
