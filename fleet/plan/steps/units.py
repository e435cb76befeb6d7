"""A systemd unit has its content, starts with the host or does not, and runs or does not.

Undo: the unit's file, whether it starts with the host, whether it is masked and whether it runs are put back.
"""

from __future__ import annotations

import re

from fleet.errors import ProvisionError
from fleet.model.hoststeps import Activity, UnitStep
from fleet.model.playbook import Change, Undo
from fleet.plan.shell.program import Answer
from fleet.plan.steps.fragments import KEEP, PUT_BACK, WRITE, given

_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]+\.(service|socket|timer|path|target|mount|slice)")
_STATES = re.compile(r"(boot|file|load|enabled|active) ([a-z-]+)")

# `boot`: whether systemd runs the host at all; containers have its programs and no systemd.
_QUESTION = """\
command -v systemctl >/dev/null || { echo 'boot none'; exit 1; }
boot=$(systemctl is-system-running 2>/dev/null)
case $boot in '' | offline | unknown) echo 'boot none'; exit 1 ;; esac
enabled=$(systemctl is-enabled -- "$unit" 2>/dev/null | head -n 1)
active=$(systemctl is-active -- "$unit" 2>/dev/null | head -n 1)
wrong=
saved=same
if [ -n "$content" ]; then
    # The marker keeps the line breaks at the end, which the shell would drop.
    if [ ! -f "$file" ]; then saved=absent
    elif [ "$(head -c 70000 -- "$file"; echo .)" != "$content." ]; then saved=differs
    elif [ "$(systemctl show -p NeedDaemonReload --value -- "$unit" 2>/dev/null)" = yes ]; then saved=unread
    fi
    [ "$saved" = same ] || wrong=y
fi
case $want_enabled:$enabled in
yes:enabled | yes:enabled-runtime | yes:alias | no:disabled | no:static | no:indirect | no:masked | '':*) ;;
*) wrong=y ;;
esac
case $want_masked:$enabled in
yes:masked | yes:masked-runtime | '':*) ;;
yes:* | no:masked | no:masked-runtime) wrong=y ;;
esac
case $want_active:$active in
started:active | started:reloading | stopped:inactive | stopped:failed | stopped:unknown | '':*) ;;
*) wrong=y ;;
esac
[ -z "$wrong" ] && exit 0
echo "boot yes"
echo "file $saved"
echo "enabled ${enabled:-unknown}"
echo "active ${active:-unknown}"
exit 1
"""
_KEEP = 'keep_file unit "$file" || exit 1\n'
_READ_AGAIN = "briefly systemctl daemon-reload || exit 1\n"
_WRITE = 'write_file "$file" 0644 "$content" || exit 1\n'
_CALL = 'briefly systemctl {verb} -- "$unit" || exit 1\n'
_BACK = """\
# What runs only since the change is stopped while its file is still there.
case $was_active in active | reloading | activating) ;; *) systemctl stop -- "$unit" >/dev/null 2>&1 ;; esac
case $was_enabled in enabled) ;; *) systemctl disable -- "$unit" >/dev/null 2>&1 ;; esac
systemctl unmask -- "$unit" >/dev/null 2>&1
if [ -n "$content" ]; then put_back unit "$file" || exit 1; fi
briefly systemctl daemon-reload || exit 1
if [ "$was_enabled" = enabled ]; then briefly systemctl enable -- "$unit" || exit 1; fi
if [ "$was_enabled" = masked ]; then briefly systemctl mask -- "$unit" || exit 1; fi
case $was_active:$saved in
active:differs) briefly systemctl restart -- "$unit" || exit 1 ;;
active:*) briefly systemctl start -- "$unit" || exit 1 ;;
esac
"""


def question(step: UnitStep) -> str:
    """Says `boot none`, or the states of `file`, `enabled` and `active`."""
    if not _UNIT.fullmatch(step.unit):
        raise ValueError(f"`{step.unit[:60]}` is no systemd unit: expected a name such as docker.service")
    if step.masked and (step.content is not None or step.enabled or step.state is Activity.STARTED):
        raise ValueError("a masked unit has no content, does not start with the host, and does not run")
    if step.content == "":
        raise ValueError("`content` is empty")
    return _values(step) + _QUESTION


def change(step: UnitStep, answer: Answer) -> Change:
    """Write, enable, mask, start. ProvisionError on a host that systemd does not run."""
    seen = _read(answer)
    if seen.get("boot") != "yes":
        raise ProvisionError("systemd does not run this host", hint="containers have none: leave the step out there")
    said, script = [], ""
    written = seen["file"] != "same"
    if written:
        said.append({"absent": "write it", "unread": "read its file again"}.get(seen["file"], "rewrite it"))
        script += (_WRITE if seen["file"] != "unread" else "") + _READ_AGAIN
    for verb in _verbs(step, seen, written=written):
        said.append(verb)
        script += _CALL.format(verb=verb)
    return Change(summary=f"{step.unit}: {', '.join(said)}", script=_values(step) + WRITE + script)


def undo(step: UnitStep, answer: Answer) -> Undo:
    """Put back file, mask, start with the host, and whether it runs."""
    seen = _read(answer)
    if seen.get("boot") != "yes":
        return Undo(script=None, reason="systemd does not run the host")
    was = {
        "was_enabled": seen["enabled"].removesuffix("-runtime"),
        "was_active": seen["active"],
        "saved": seen["file"],
    }
    return Undo(
        script=_values(step) + given(was) + PUT_BACK + _BACK,
        keep=_values(step) + KEEP + _KEEP if step.content is not None else "",
    )


def _verbs(step: UnitStep, seen: dict[str, str], *, written: bool) -> list[str]:
    """What systemctl is told, in the order in which they work."""
    verbs = []
    masked = seen["enabled"].startswith("masked")
    runs = seen["active"] in {"active", "reloading", "activating"}
    if masked and (step.masked is False or step.enabled or step.state is Activity.STARTED):
        verbs.append("unmask")
    if step.enabled and (masked or seen["enabled"] not in {"enabled", "enabled-runtime", "alias"}):
        verbs.append("enable")
    if step.enabled is False and seen["enabled"].startswith("enabled"):
        verbs.append("disable")
    if runs and (step.state is Activity.STOPPED or step.masked):
        verbs.append("stop")
    if step.state is Activity.STARTED and not runs:
        verbs.append("start")
    if runs and written and step.state is not Activity.STOPPED:
        verbs.append("restart")
    if step.masked and not masked:
        verbs.append("mask")
    return verbs


def _read(answer: Answer) -> dict[str, str]:
    found = [match for line in answer.text.splitlines() if (match := _STATES.fullmatch(line))]
    return {"file": "same", "enabled": "unknown", "active": "unknown"} | {match[1]: match[2] for match in found}


def _values(step: UnitStep) -> str:
    tri = {None: "", True: "yes", False: "no"}
    return given(
        {
            "unit": step.unit,
            "file": f"/etc/systemd/system/{step.unit}",
            "content": step.content or "",
            "want_enabled": tri[step.enabled],
            "want_masked": tri[step.masked],
            "want_active": step.state or "",
        }
    )
