"""fleet itself for hosts that have none and where nothing is to be installed: an archive that Python runs as it is."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

from fleet import __version__
from fleet.errors import CommandError
from fleet.model.facts import Survey
from fleet.model.inventory import Host
from fleet.model.playbook import Command
from fleet.plan.steps import Wheel
from fleet.ports import Transport
from fleet.provision.agents import fleet_wheel

ASK_SECONDS = 30.0
_packing = Lock()
_NVML = "pynvml"
"""The one module besides its own that fleet samples with; without a driver it says so."""
_NEW_ENOUGH = "import sys; sys.exit(sys.version_info < (3, 11))"
_TOO_OLD = 1


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


def loan(transport: Transport, run: str) -> Callable[[Host], str]:
    """What brings fleet and its reader of NVML to a host for one run, and tells where the file lies.

    The program that is started out of it removes it (`fleet.remote.onlooker`). HostError where the host has no Python
    that could run it: then nothing is brought.
    """

    def lent(host: Host) -> str:
        answer = transport.run(host, Command(argv=(host.python, "-c", _NEW_ENOUGH), timeout=ASK_SECONDS))
        if answer.exit_status != 0:
            what = "is older than 3.11" if answer.exit_status == _TOO_OLD else "cannot be started"
            raise CommandError(f"its {host.python} {what}", host=host.name, hint="name a newer one: `python: PATH`")
        path = f"{host.work_dir}/fleet-{run}.whl"
        transport.run(host, Command(argv=("mkdir", "-p", "-m", "700", host.work_dir), timeout=ASK_SECONDS))
        transport.put(host, path, _with_nvml(_wheel().data), 0o600)
        return path

    return lent


def _with_nvml(wheel: bytes) -> bytes:
    """The wheel as an archive that has the reader of NVML, too, where the controller itself has it."""
    found = find_spec(_NVML)
    if found is None or found.origin is None:
        return wheel
    buffer = io.BytesIO(wheel)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.write(Path(found.origin), f"{_NVML}.py")
    return buffer.getvalue()


def _wheel() -> Wheel:
    """This fleet, packed once."""
    with _packing:
        return _packed()


@lru_cache(maxsize=1)
def _packed() -> Wheel:
    return fleet_wheel()
