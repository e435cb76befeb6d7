"""What fleet's own agents need on a host: the variables of a playbook, fleet as a wheel, the playbooks that ship."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path

from fleet import __version__
from fleet.errors import ConfigurationError
from fleet.model.inventory import Host, Inventory
from fleet.plan.checkup.interpreter import base_python, venv_of
from fleet.plan.steps import Wheel
from fleet.plan.steps.rendering import Value

_PACKAGE = Path(__file__).parents[1]
_WHEEL = "Wheel-Version: 1.0\nGenerator: fleet\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_DOS_EPOCH = (1980, 1, 1, 0, 0, 0)


def variables(host: Host, wheel: Wheel | None) -> Mapping[str, Value]:
    """The versions that `{{ … }}` in a playbook may name. `wheel`: what `fleet_wheel` gave, where it may be sent.

    `fleet.version` is the wheel's where fleet makes the host's interpreter, so that other sources count as another
    version there; an interpreter of the operator's has the plain version of some release.
    """
    ours = base_python(host.python, venv_of(host)) is not None
    return {"fleet.version": wheel.version if wheel and ours else __version__, "ray.version": ray_version()}


@lru_cache(maxsize=1)
def ray_version() -> str:
    """The one Ray version of this release, from fleet's own metadata: the controller itself needs no Ray."""
    for line in requires("fleet") or ():
        name, _, version = line.partition(";")[0].partition("==")
        if name.strip() == "ray":
            return version.strip()
    raise _not_installed()


def fleet_wheel() -> Wheel:
    """This very fleet as a wheel, as it is on no package index. The same sources give the same bytes.

    Its version ends in a digest of the sources (`0.1.0+5d41402abc4b`), or a host would keep old ones of equal version.
    """
    try:
        metadata = distribution("fleet").read_text("METADATA")
    except PackageNotFoundError:
        metadata = None
    if metadata is None:
        raise _not_installed()
    contents = _sources()
    version = f"{__version__}+{_digest(contents)}"
    info = f"fleet-{version}.dist-info"
    metadata = re.sub(r"(?m)^Version: .*$", f"Version: {version}", metadata, count=1)
    contents |= {f"{info}/METADATA": metadata.encode(), f"{info}/WHEEL": _WHEEL.encode()}
    contents[f"{info}/RECORD"] = _record(contents, f"{info}/RECORD")
    return Wheel(distribution="fleet", version=version, data=_zipped(contents))


def needs_ray(inventory: Inventory) -> bool:
    """Whether its hosts are one Ray cluster with fleet's agents; neither a Bento nor a command of the operator's is."""
    return inventory.bento is None and inventory.command is None


def own_playbook(inventory: Inventory) -> Path:
    """The shipped playbook that makes this inventory's hosts ready where the operator names none."""
    return shipped_playbook("agent.yaml" if inventory.command is None else "command.yaml")


def shipped_playbook(name: str) -> Path:
    """The playbook of that file name: in the package when fleet is installed, beside it in a checkout."""
    folder = next(place for place in (_PACKAGE / "playbooks", _PACKAGE.parent / "playbooks") if place.is_dir())
    if (folder / name).is_file():
        return folder / name
    shipped = ", ".join(sorted(file.name for file in folder.glob("*.yaml")))
    raise ConfigurationError(f"fleet ships no playbook {name}", hint=f"give the path of one, or one of {shipped}")


def _sources() -> dict[str, bytes]:
    files = sorted(file for file in _PACKAGE.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return {f"fleet/{file.relative_to(_PACKAGE).as_posix()}": file.read_bytes() for file in files}


def _digest(contents: Mapping[str, bytes]) -> str:
    """12 hexadecimal digits of SHA-256 over every file's name and content."""
    whole = hashlib.sha256()
    for name, data in contents.items():
        whole.update(f"{name}\0{len(data)}\0".encode() + data)
    return whole.hexdigest()[:12]


def _record(contents: Mapping[str, bytes], own: str) -> bytes:
    """Every file with its hash and size, as PEP 376 and 427 have it."""
    lines = []
    for name, data in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(data)}\n")
    return "".join([*lines, f"{own},,\n"]).encode()


def _zipped(contents: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in contents.items():
            entry = zipfile.ZipInfo(name, date_time=_DOS_EPOCH)
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data, compress_type=zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _not_installed() -> ConfigurationError:
    return ConfigurationError("fleet's own metadata is missing", hint="install fleet with pip, editable or not")
