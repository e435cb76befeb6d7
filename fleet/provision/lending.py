"""fleet itself for hosts that have none and where nothing is to be installed: an archive that Python runs as it is."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from threading import Lock

from fleet import __version__
from fleet.model.facts import Survey
from fleet.model.inventory import Host
from fleet.model.playbook import Command
from fleet.plan.steps import Wheel
from fleet.ports import Transport
from fleet.provision.agents import fleet_wheel

ASK_SECONDS = 30.0
_packing = Lock()


def lender(transport: Transport, surveyed: Survey) -> Callable[[Host], str | None]:
    """What tells where on a host fleet's archive lies, after it was brought there; None where the host has fleet.

    Its name holds a digest of the sources, so a host is brought each of them once. It may be asked from several
    threads; HostError where it cannot be brought.
    """
    have = {facts.host for facts in surveyed.facts if (facts.fleet or "").partition("+")[0] == __version__}

    def lent(host: Host) -> str | None:
        if host.name in have:
            return None
        wheel = _wheel()
        path = f"{host.work_dir}/{wheel.filename}"
        there = transport.run(host, Command(argv=("test", "-f", path), timeout=ASK_SECONDS))
        if there.exit_status != 0:
            transport.put(host, path, wheel.data, 0o600)
        return path

    return lent


def _wheel() -> Wheel:
    """This fleet, packed once."""
    with _packing:
        return _packed()


@lru_cache(maxsize=1)
def _packed() -> Wheel:
    return fleet_wheel()
