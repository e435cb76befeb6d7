"""What a host's Python answers about itself: one small program for every Python 3, and its one line of JSON."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from fleet.model.inventory import Host
from fleet.plan.shell.quoting import path

_ASK = """\
import json, sys
try:
    from importlib.metadata import version
except ImportError:
    version = None
found, right = {}, True
for pin in sys.argv[1:]:
    name, _, wanted = pin.partition("==")
    try:
        found[name] = version(name)
    except Exception:
        found[name] = None
    right = right and found[name] is not None and wanted in ("", found[name])
print(json.dumps({"python": "%d.%d.%d" % sys.version_info[:3], "found": found}))
sys.exit(0 if right else 1)
"""

_VERSION = re.compile(r"[0-9][0-9A-Za-z.+!_-]{0,63}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A Python that runs: its version, and the versions of those distributions asked for that are installed."""

    version: str
    found: Mapping[str, str]


def ask_python(python: str, pins: Sequence[str]) -> str:
    """Shell text for a piece: exit status 0 if `python` runs and has every pin (`ray`, or `ray==2.60.0`)."""
    return f"briefly {path(python)} -c {shlex.quote(_ASK)} {shlex.join(pins)}".rstrip()


def read_python(text: str) -> Interpreter | None:
    """What `ask_python` said; None where no Python answered. Only the last line counts: site hooks may print."""
    line = text.rstrip().rpartition("\n")[2]
    try:
        said = json.loads(line)
        found = {name: _version(value) for name, value in said["found"].items() if value is not None}
        return Interpreter(version=_version(said["python"]), found=MappingProxyType(found))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _version(value: object) -> str:
    if isinstance(value, str) and _VERSION.match(value):
        return value
    raise ValueError("no version")


def venv_of(host: Host) -> str:
    """Where fleet makes a venv on a host, when the host's `python` is in there."""
    return f"{host.work_dir}/venv"


def base_python(python: str, venv: str) -> str | None:
    """The interpreter from which fleet may make `python`, when that is the venv's; None when it is the operator's.

    The name says which: `venv/bin/python3.11` is made by the host's `python3.11`, `venv/bin/python` by `python3`.
    """
    place, _, name = python.rpartition("/")
    if place != f"{venv.rstrip('/')}/bin" or not re.fullmatch(r"python(3(\.[0-9]+)?)?", name):
        return None
    return "python3" if name == "python" else name
