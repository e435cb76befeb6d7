"""The user exists, with this shell and in these groups besides others; or there is no such user.

Undo: a user that was made is removed, and its home with it where it holds nothing but what new homes hold; what
somebody has put there stays. A shell and groups are put back one by one. A user that was removed comes back with number
and password; its home was never touched.
"""

from __future__ import annotations

import re

from fleet.errors import ProvisionError
from fleet.model.hoststeps import Presence, UserStep
from fleet.model.playbook import Change, Undo
from fleet.plan.shell.program import Answer
from fleet.plan.shell.quoting import path
from fleet.plan.steps.fragments import ACCOUNT_BACK, KEEP_ACCOUNT, SBIN, given, words
from fleet.plan.steps.groups import NAME

_SHELL = re.compile(r"/[A-Za-z0-9/._+-]+")

_QUESTION = """\
entry=$(getent passwd "$user" 2>/dev/null || grep "^$user:" /etc/passwd | head -n 1)
if [ -z "$entry" ]; then echo absent; exit 1; fi
wrong=
if [ -n "$shell" ] && [ "${entry##*:}" != "$shell" ]; then echo "shell ${entry##*:}"; wrong=y; fi
has=" $(id -nG "$user") "
for group in $groups; do
    case $has in *" $group "*) ;; *) echo "group $group"; wrong=y ;; esac
done
[ -z "$wrong" ]
"""
_GONE = """\
grep -q "^$user:" /etc/passwd || exit 0
echo present
exit 1
"""
_DELETE = """\
if command -v userdel >/dev/null; then briefly userdel "$user"; else briefly deluser "$user"; fi
"""
_KEEP_ACCOUNT = """\
keep_account "$user"
awk -F: -v user="$user" '{
    count = split($4, members, ",")
    for (i = 1; i <= count; i++) if (members[i] == user) print $1
}' /etc/group >"$kept/groups"
"""
_ACCOUNT_BACK = """\
account_back "$user" || exit 1
missing=$(cat -- "$kept/groups")
"""
# Of the shadow suite, or BusyBox's.
_ADD = """\
if command -v useradd >/dev/null; then
    set -- useradd
    if [ "$system" = y ]; then set -- "$@" --system --no-create-home; else set -- "$@" --create-home; fi
    if [ -n "$home" ]; then set -- "$@" --home-dir "$home"; fi
    if [ -n "$shell" ]; then set -- "$@" --shell "$shell"; fi
else
    set -- adduser -D
    if [ "$system" = y ]; then set -- "$@" -S -H; fi
    if [ -n "$home" ]; then set -- "$@" -h "$home"; fi
    if [ -n "$shell" ]; then set -- "$@" -s "$shell"; fi
fi
briefly "$@" "$user" || exit 1
"""
_JOIN = """\
for group in $missing; do
    if command -v usermod >/dev/null; then briefly usermod -a -G "$group" "$user"
    else briefly addgroup "$user" "$group"
    fi || exit 1
done
"""
_SHELL_BACK = """\
if command -v usermod >/dev/null; then briefly usermod -s "$shell" "$user"
else briefly sed -i "s|^\\\\($user:.*\\\\):[^:]*\\$|\\\\1:$shell|" /etc/passwd
fi || exit 1
"""
_LEAVE = """\
for group in $missing; do
    case " $(id -nG "$user") " in *" $group "*) ;; *) continue ;; esac
    if command -v gpasswd >/dev/null; then briefly gpasswd -d "$user" "$group"
    else briefly delgroup "$user" "$group"
    fi || exit 1
done
"""
_REMOVE = """\
entry=$(grep "^$user:" /etc/passwd | head -n 1)
[ -n "$entry" ] || exit 0
home=${entry%:*}
home=${home##*:}
if command -v userdel >/dev/null; then briefly userdel "$user"; else briefly deluser "$user"; fi || exit 1
if [ -d "$home" ] && [ ! -e "$kept/home" ] && [ -d /etc/skel ] && diff -r /etc/skel "$home" >/dev/null 2>&1; then
    rm -rf -- "$home"
fi
"""
# A home that was there before the user is none that came with it.
_KEEP = """\
if [ -e "$home" ]; then : >"$kept/home"; fi
"""


def question(step: UserStep) -> str:
    """Says `absent`, or what is wrong: `shell OLD`, `group MISSING`."""
    for name in (step.user, *step.groups):
        if not NAME.fullmatch(name):
            raise ValueError(f"`{name[:40]}` is no user or group: expected small letters, digits, - and _")
    if step.shell is not None and not _SHELL.fullmatch(step.shell):
        raise ValueError(f"`{step.shell[:40]}` is no shell: expected a path such as /bin/sh")
    if step.home is not None:
        path(step.home)
    if step.state is Presence.ABSENT:
        if step.user == "root" or step.groups or step.shell or step.home:
            raise ValueError("a user that is to be absent is not root, and has no groups, shell or home")
        return _values(step) + _GONE
    return _values(step) + _QUESTION


def change(step: UserStep, answer: Answer) -> Change:
    """Make the user, set its shell, put it in the groups; or remove it."""
    if step.state is Presence.ABSENT:
        return Change(summary=f"remove user {step.user}", script=_values(step) + _DELETE)
    absent, shell, missing = _read(step, answer)
    script, said = "", []
    if absent:
        said.append(f"make {'system ' if step.system else ''}user {step.user}")
        script += _ADD
    elif shell is not None:
        said.append(f"{step.user}: shell {step.shell} instead of {shell}")
        script += _SHELL_BACK
    if missing:
        said.append(f"put {step.user} in {', '.join(missing)}")
        script += f"missing={words([' '.join(missing)])}\n" + _JOIN
    if not said:
        raise ProvisionError(f"user {step.user} cannot be asked about", hint=answer.text[:200] or None)
    return Change(summary=" and ".join(said), script=_values(step) + script)


def undo(step: UserStep, answer: Answer) -> Undo:
    """Remove the user that was made, or put back shell and groups, or the whole user."""
    if step.state is Presence.ABSENT:
        values = _values(step)
        script = values + ACCOUNT_BACK + _ACCOUNT_BACK + _JOIN
        return Undo(script=script, keep=values + KEEP_ACCOUNT + _KEEP_ACCOUNT)
    absent, shell, missing = _read(step, answer)
    if absent:
        home = step.home or f"/home/{step.user}"
        return Undo(script=_values(step) + _REMOVE, keep=given({"home": home}) + _KEEP)
    script = ""
    if shell is not None and _SHELL.fullmatch(shell):
        script += given({"shell": shell}) + _SHELL_BACK
    if missing:
        script += f"missing={words([' '.join(missing)])}\n" + _LEAVE
    return Undo(script=_values(step) + script)


def _read(step: UserStep, answer: Answer) -> tuple[bool, str | None, tuple[str, ...]]:
    """Whether there is no such user, the shell where it is another, the groups that it is not in."""
    lines = answer.text.splitlines()
    if lines[:1] == ["absent"]:
        return True, None, step.groups
    shell = next((line.removeprefix("shell ") for line in lines if line.startswith("shell ")), None)
    wrong = {line.removeprefix("group ") for line in lines if line.startswith("group ")}
    return False, shell, tuple(group for group in step.groups if group in wrong)


def _values(step: UserStep) -> str:
    return SBIN + given(
        {
            "user": step.user,
            "groups": " ".join(step.groups),
            "shell": step.shell or "",
            "home": step.home or "",
            "system": "y" if step.system else "",
        }
    )
