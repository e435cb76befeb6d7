"""A kernel setting has its value, now and after a restart.

Undo: the value that the kernel had is put back, and the file in /etc/sysctl.d is as it was, or gone.
"""

from __future__ import annotations

import re

from fleet.errors import ProvisionError
from fleet.model.hoststeps import SysctlStep
from fleet.model.playbook import Change, Undo
from fleet.plan.shell.program import Answer
from fleet.plan.shell.quoting import tame
from fleet.plan.steps.fragments import KEEP, PUT_BACK, WRITE, given

_KEY = re.compile(r"[A-Za-z0-9_-]+([./][A-Za-z0-9_:@-]+)+")
_VALUE = re.compile(r"[!-~]+( [!-~]+)*")

# Blanks in the kernel's answer are tabs or many.
_QUESTION = """\
if [ ! -e "$node" ]; then echo unknown; exit 1; fi
set -f
# shellcheck disable=SC2046 # words
set -- $(cat -- "$node")
live=$*
saved=$(head -c 4096 -- "$file" 2>/dev/null)
if [ "$live" = "$value" ] && [ "$saved" = "$key = $value" ]; then exit 0; fi
printf 'live %s\\n' "$live"
if [ -e "$file" ]; then echo file; fi
exit 1
"""
# The kernel first: what it refuses is not written down for the next start.
_SET = """\
printf '%s\\n' "$value" >"$node" || exit 1
mkdir -p -- "${file%/*}" && write_file "$file" 0644 "$key = $value
"
"""
_KEEP = 'cat -- "$node" >"$kept/live" && keep_file file "$file" || exit 1\n'
_BACK = 'cat -- "$kept/live" >"$node" || exit 1\nput_back file "$file"\n'


def question(step: SysctlStep) -> str:
    """Says `unknown`, or `live VALUE` and whether there is a `file`."""
    if not _KEY.fullmatch(step.key):
        raise ValueError(f"`{step.key[:60]}` is no kernel setting: expected one such as vm.swappiness")
    if not _VALUE.fullmatch(_value(step)):
        raise ValueError(f"`{step.value[:60]}` is no value of a kernel setting: expected plain words")
    return _values(step) + _QUESTION


def change(step: SysctlStep, answer: Answer) -> Change:
    """Set it and write it down. ProvisionError for a setting that this kernel does not have."""
    found = answer.text.partition("\n")[0]
    if not found.startswith("live "):
        raise ProvisionError(f"this kernel has no {step.key}", hint="is its module loaded?")
    live = tame(found.removeprefix("live "), 200)
    instead = f" instead of {live}" if live != _value(step) else ", for the next start, too"
    return Change(summary=f"{step.key} = {_value(step)}{instead}", script=_values(step) + WRITE + _SET)


def undo(step: SysctlStep, answer: Answer) -> Undo:
    """Put back the value and the file."""
    del answer
    values = _values(step)
    return Undo(script=values + PUT_BACK + _BACK, keep=values + KEEP + _KEEP)


def _value(step: SysctlStep) -> str:
    return " ".join(step.value.split())


def _values(step: SysctlStep) -> str:
    # As sysctl has it: with a slash in it, the dots are part of a name (of an interface such as eth0.5).
    key = step.key if "/" in step.key else step.key.replace(".", "/")
    file = f"/etc/sysctl.d/60-fleet-{step.key.replace('/', '-')}.conf"
    return given({"node": f"/proc/sys/{key}", "file": file, "key": step.key, "value": _value(step)})
