"""PURE. Whether a run of fleet is under way on a host, as shell: whose it is, and when it was heard of last.

A run holds flock(2) for as long as it lasts: the kernel takes it back however the holder ends, and with the power. A
run on a cluster of fleet's own holds its work folder's lock; the watch over a Bento head holds a folder of the
machine's that everybody can open, as its GPUs are everybody's. What says whose it is, is for people.
"""

from __future__ import annotations

import re

from fleet.errors import HostError
from fleet.model.inventory import Host
from fleet.plan.shell.journal import folder_of
from fleet.plan.shell.quoting import path, tame

TOGETHER = "/run"
"""What a watch holds: another folder than the one that changes hold, which do not wait for a run's end."""

_LINE = re.compile(r"([0-9]{1,9}|-) (.{1,300})")
NOBODY = f"somebody who logs in otherwise and holds {TOGETHER}: as root, `fuser -v {TOGETHER}` tells which process"
# Status 1 alone says that another holds it: some networks' file systems know no such lock.
_HELD = """\
held() {
    { [ -f "$1" ] || [ -d "$1" ]; } && command -v flock >/dev/null || return 1
    flock -ns "$1" true 2>/dev/null
    [ "$?" -eq 1 ]
}
"""
# A home may be several machines', by NFS. The newest: older ones may be of a time before the power was lost.
_WHOSE = """\
ours() { [ "$(head -c 300 -- "$1/machine" 2>/dev/null)" = "$(uname -n)" ]; }
whose() {
    last=
    for beats in "$1"/watch-*/beats; do
        if [ ! -f "$beats/whose" ] || [ -e "$beats/over" ] || [ "$beats" = "$2" ]; then continue; fi
        if ours "$beats"; then last=$beats; fi
    done
    [ -n "$last" ] && age=$(($(date +%s) - $(stat -c %Y -- "$last/beat"))) || return 1
    [ "$age" -ge 0 ] || age=0
    printf '%s %s\\n' "$age" "$(head -c 300 -- "$last/whose" | head -n 1)"
}
"""
# A watch that was told to end does so within a second or two; one that puts back is no run any more.
_ASK = """\
lock=LOCK
if held "$lock"; then printf -- '- %s\\n' "$(head -c 300 -- "$lock" | head -n 1)"; exit 0; fi
for again in 1 2 3; do
    held PLACE || exit 0
    if whose FOLDER ''; then exit 0; fi
    for beats in FOLDER/watch-*/beats; do if [ -d "$beats/over" ] && ours "$beats"; then exit 0; fi; done
    sleep 1
done
printf -- '- %s\\n' 'NOBODY'
"""


def place_of(host: Host) -> str:
    """What the watch over a host holds; lab hosts, which share a machine, have one each."""
    return folder_of(host, root=False) if host.lab else TOGETHER


def functions() -> str:
    """Shell functions: `held FILE`: whether somebody holds it; `whose FOLDER BEATS` says whose watch lasts there.

    FOLDER: where watches are; BEATS: those of the watch that asks. `ours BEATS`: whether they are of this machine.
    """
    return _HELD + _WHOSE


def asking(host: Host) -> str:
    """Shell text that says a line where a run is under way."""
    words = {
        "LOCK": path(f"{host.work_dir}/node.lock"),
        "PLACE": path(place_of(host)),
        "FOLDER": path(folder_of(host, root=False)),
        "NOBODY": NOBODY.replace("'", ""),
    }
    return functions() + re.sub("|".join(words), lambda found: words[found[0]], _ASK)


def busy(host: Host, whose: str, more: str = "") -> HostError:
    """A run of fleet holds the host already. `more`: what else can be done."""
    hint = f"wait for its end, or end it where it runs; without its controller it ends by itself{more}"
    return HostError(f"a run is under way on it: {whose}", host=host.name, hint=hint)


def told(text: str) -> str | None:
    """Whose run is under way, and when it was heard of, from what the host said; None where it said nothing."""
    if not (lines := text.splitlines()):
        return None
    found = _LINE.fullmatch(lines[-1])
    age, who = (found[1], tame(found[2], 300)) if found else ("-", "nobody knows whose")
    return who if age == "-" else f"{who}, heard from {age} s ago"
