"""One provisioning of an inventory: whom it is for, what became of them, and what the next one may leave out."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from fleet.errors import ConfigurationError, FleetError, HostError, ProvisionError
from fleet.model.inventory import Host
from fleet.model.playbook import StepReport, StepState

_LIMIT = re.compile(r"([0-9]{1,6})(%?)")


def most_failures(text: str | None, hosts: int) -> int | None:
    """`3` or `10%` (of the hosts, rounded down) as a number of hosts. ConfigurationError for another shape."""
    if text is None:
        return None
    found = _LIMIT.fullmatch(text.strip())
    if found is None or (found[2] and int(found[1]) > 100):  # noqa: PLR2004 (a percentage)
        raise ConfigurationError(f"--max-failures {text[:20]}: expected a number of hosts such as 3, or 10%")
    return math.floor(hosts * int(found[1]) / 100) if found[2] else int(found[1])


def readiness(reports: Sequence[StepReport]) -> dict[str, bool]:
    """Every host, and whether all its steps are right now."""
    ready: dict[str, bool] = {}
    for report in reports:
        well = report.state in {StepState.RIGHT, StepState.CHANGED}
        ready[report.host] = ready.get(report.host, True) and well
    return ready


def shortfall(reports: Sequence[StepReport], again: str) -> FleetError | None:
    """What keeps a provisioning from exit code 0; `again`: the command that goes on with it."""
    failed = list(dict.fromkeys(report.host for report in reports if report.state is StepState.FAILED))
    begun = {report.host for report in reports if report.state is not StepState.SKIPPED}
    never = list(dict.fromkeys(report.host for report in reports if report.host not in begun))
    if not failed:
        return None
    parts = [f"not ready: {', '.join(failed)}"] + ([f"not begun: {', '.join(never)}"] if never else [])
    return blame(reports)("; ".join(parts), hint=f"cure what FAILED says, then: {again}")


def blame(reports: Sequence[StepReport]) -> type[HostError | ProvisionError]:
    """The error for what failed: HostError where no host failed but for not being reached or used."""
    unable = any(report.state is StepState.FAILED and not report.lost for report in reports)
    return ProvisionError if unable else HostError


def meant(hosts: Sequence[Host], unready: Sequence[str]) -> tuple[Host, ...]:
    """The hosts whose last provisioning failed, in the order of the inventory."""
    return tuple(host for host in hosts if host.name in unready)
