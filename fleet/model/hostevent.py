"""Events of hosts, and remarks: what provisioning tells, without the records that the other events carry."""

from __future__ import annotations

from fleet.model.facts import Failure
from fleet.model.frozen import frozen
from fleet.model.playbook import StepReport


@frozen
class HostFailed:
    """A host dropped out; the others go on."""

    failure: Failure


@frozen
class StepDone:
    """A step was asked, changed or failed on a host."""

    report: StepReport


@frozen
class Note:
    """Something worth a line; `warning` where the operator should look."""

    text: str
    warning: bool = False
