"""The interpreter runs and has its distributions; where it is the venv's, fleet makes the venv and fills it.

An interpreter outside of the step's venv is the operator's: it is asked and never changed.

Undo: a venv that fleet made is removed; one that it filled is put back as it was (kept by hard links, since pip writes
new files and never into old ones).
"""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from fleet.errors import ProvisionError
from fleet.model.playbook import Change, PythonStep, Undo
from fleet.plan.checkup.interpreter import Interpreter, ask_python, base_python, read_python
from fleet.plan.shell.program import Answer
from fleet.plan.shell.quoting import path

_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(\[[A-Za-z0-9,._-]+\])?==([0-9A-Za-z.+!_-]+)")
_UNPACK = 'import base64, sys; open(sys.argv[1], "wb").write(base64.b64decode(sys.stdin.read()))'

_MAKE = """\
venv={venv}
python={python}
if ! "$python" -m pip --version >/dev/null 2>&1; then
    if [ -e "$venv" ] && [ ! -f "$venv/pyvenv.cfg" ] && [ -n "$(ls -A -- "$venv")" ]; then
        echo "$venv is there and is no venv: move it out of the way"; exit 1
    fi
    if ! command -v {base} >/dev/null; then
        echo "there is no {base} on its PATH: install it, with its venv module"; exit 1
    fi
    briefly {base} -m venv --clear "$venv" || exit 1
fi
wheels=$venv/wheels
mkdir -p -- "$wheels" || exit 1
trap 'rm -rf -- "$wheels"' EXIT
"""
_SEND = """\
"$python" -c {unpack} "$wheels/{name}" <<'WHEEL' || exit 1
{data}
WHEEL
"""
# A bundle that `fleet bundle --push` has brought lies beside the venv: then no index is asked.
_INSTALL = """\
set --
[ ! -f "${{venv%/*}}/bundle/complete" ] || set -- --no-index --find-links "${{venv%/*}}/bundle"
briefly "$python" -m pip install --no-input --disable-pip-version-check --quiet "$@" {what}
"""
_KEEP = """\
venv={venv}
if [ -e "$venv" ]; then cp -al -- "$venv" "$kept/venv" 2>/dev/null || cp -a -- "$venv" "$kept/venv"; fi
"""
_PUT_BACK = """\
venv={venv}
if [ -e "$kept/venv" ]; then
    rm -rf -- "$venv.part" || exit 1
    cp -al -- "$kept/venv" "$venv.part" 2>/dev/null || cp -a -- "$kept/venv" "$venv.part" || exit 1
fi
rm -rf -- "$venv" || exit 1
[ ! -e "$venv.part" ] || mv -- "$venv.part" "$venv"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A distribution as it is sent to a host, pure Python."""

    distribution: str
    version: str
    data: bytes = field(repr=False)

    @property
    def filename(self) -> str:
        """As PEP 427 has it."""
        return f"{self.distribution}-{self.version}-py3-none-any.whl"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pin:
    name: str
    extras: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}{self.extras}=={self.version}"


def question(step: PythonStep) -> str:
    """Says the interpreter's version and what it has of the pins."""
    if step.venv is not None:
        path(step.venv)
    return ask_python(step.python, [f"{pin.name}=={pin.version}" for pin in _pins(step)])


def change(step: PythonStep, answer: Answer, wheels: Sequence[Wheel] = ()) -> Change:
    """Make the venv and install what is missing. ProvisionError where the interpreter is not the venv's."""
    found = read_python(answer.text)
    wrong = _wrong(step, found)
    base = base_python(step.python, step.venv) if step.venv else None
    if step.venv is None or base is None:
        hint = "install it on the host"
        if step.venv is not None:
            hint += f", or write `python: {step.venv}/bin/python` in the inventory and fleet makes it"
        raise ProvisionError(wrong, hint=hint)
    pins = _pins(step)
    missing = [pin for pin in pins if found is None or found.found.get(pin.name) != pin.version]
    names = ", ".join(f"{pin.name} {pin.version}" for pin in missing)
    start = "" if found else f"make a venv in {step.venv} with {base}"
    install = f"install {names}" if names else ""
    return Change(
        summary=" and ".join(filter(None, (start, install))),
        script=_script(step.venv, step.python, base, missing, wheels),
    )


def undo(step: PythonStep, answer: Answer) -> Undo:
    """Put the venv back as it was, or remove it."""
    del answer
    if step.venv is None:
        return Undo(script=None, reason="the interpreter is not the step's")
    venv = path(step.venv)
    return Undo(script=_PUT_BACK.format(venv=venv), keep=_KEEP.format(venv=venv))


def _script(venv: str, python: str, base: str, missing: Sequence[_Pin], wheels: Sequence[Wheel]) -> str:
    script = _MAKE.format(venv=path(venv), python=path(python), base=base)
    words = []
    for pin in missing:
        sent = next((w for w in wheels if (w.distribution, w.version) == (pin.name, pin.version)), None)
        if sent is None:
            words.append(shlex.quote(str(pin)))
            continue
        data = base64.encodebytes(sent.data).decode().rstrip()
        script += _SEND.format(unpack=shlex.quote(_UNPACK), name=sent.filename, data=data)
        # By its path, so that an index's distribution of the same name is never taken for it.
        words.append(f'"$wheels/{sent.filename}{pin.extras}"')
    return script + (_INSTALL.format(what=" ".join(words)) if words else "")


def _pins(step: PythonStep) -> tuple[_Pin, ...]:
    pins = []
    for text in step.requires:
        found = _PIN.fullmatch(text)
        if found is None:
            raise ValueError(f"`{text[:60]}` is no pin: expected a name and a version such as ray==2.60.0")
        pins.append(_Pin(name=found[1], extras=found[2] or "", version=found[3]))
    return tuple(pins)


def _wrong(step: PythonStep, found: Interpreter | None) -> str:
    """`python3 (3.11.2) has no ray 2.60.0, and fleet 0.0.9 instead of 0.1.0`."""
    if found is None:
        return f"`{step.python}` does not run"
    pins = _pins(step)
    absent = [f"{pin.name} {pin.version}" for pin in pins if pin.name not in found.found]
    other = [
        f"{pin.name} {found.found[pin.name]} instead of {pin.version}"
        for pin in pins
        if found.found.get(pin.name, pin.version) != pin.version
    ]
    parts = [f"no {', '.join(absent)}"] if absent else []
    return f"`{step.python}` ({found.version}) has {', and '.join([*parts, *other])}"
