"""The group exists, or does not.

Undo: a group that was made is removed, unless it is somebody's main group by now; one that was removed comes back with
its number and members.
"""

from __future__ import annotations

import re

from fleet.errors import ProvisionError
from fleet.model.hoststeps import GroupStep, Presence
from fleet.model.playbook import Change, Undo
from fleet.plan.shell.program import Answer
from fleet.plan.steps.fragments import ACCOUNT_BACK, KEEP_ACCOUNT, SBIN, given

NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")

_QUESTION = """\
entry=$(getent group "$group" 2>/dev/null || grep "^$group:" /etc/group | head -n 1)
if [ -z "$entry" ]; then echo absent; exit 1; fi
found=${entry#*:*:}
found=${found%%:*}
if [ -z "$gid" ] || [ "$found" = "$gid" ]; then exit 0; fi
echo "gid $found"
exit 1
"""
_GONE = """\
grep -q "^$group:" /etc/group || exit 0
echo present
exit 1
"""
# Of the shadow suite, or BusyBox's.
_ADD = """\
if command -v groupadd >/dev/null; then set -- groupadd; else set -- addgroup; fi
if [ "$system" = y ]; then
    if [ "$1" = groupadd ]; then set -- "$@" --system; else set -- "$@" -S; fi
fi
if [ -n "$gid" ]; then set -- "$@" -g "$gid"; fi
briefly "$@" "$group"
"""
_REMOVE = """\
grep -q "^$group:" /etc/group || exit 0
if command -v groupdel >/dev/null; then briefly groupdel "$group"; else briefly delgroup "$group"; fi
"""


def question(step: GroupStep) -> str:
    """Says `absent`, or `gid NUMBER` where it has another one."""
    if not NAME.fullmatch(step.group):
        raise ValueError(f"`{step.group[:40]}` is no group: expected small letters, digits, - and _")
    if step.state is Presence.ABSENT:
        if step.gid is not None:
            raise ValueError("a group that is to be absent has no `gid`")
        return _values(step) + _GONE
    return _values(step) + _QUESTION


def change(step: GroupStep, answer: Answer) -> Change:
    """Make or remove it. ProvisionError where it has another number: files on the host belong to that number."""
    if step.state is Presence.ABSENT:
        return Change(summary=f"remove group {step.group}", script=_values(step) + _REMOVE)
    if answer.text.strip() != "absent":
        found = answer.text.strip().removeprefix("gid ")[:20]
        raise ProvisionError(f"group {step.group} has number {found}, not {step.gid}", hint="renumber it yourself")
    number = f" with number {step.gid}" if step.gid is not None else ""
    return Change(summary=f"make group {step.group}{number}", script=_values(step) + _ADD)


def undo(step: GroupStep, answer: Answer) -> Undo:
    """Remove what was made, make again what was removed."""
    if step.state is Presence.ABSENT:
        values = _values(step)
        script = values + ACCOUNT_BACK + 'account_back "$group"\n'
        return Undo(script=script, keep=values + KEEP_ACCOUNT + 'keep_account "$group"\n')
    if answer.text.strip() != "absent":
        return Undo(script=None, reason="nothing could be changed")
    return Undo(script=_values(step) + _REMOVE)


def _values(step: GroupStep) -> str:
    gid = "" if step.gid is None else str(step.gid)
    return SBIN + given({"group": step.group, "gid": gid, "system": "y" if step.system else ""})
