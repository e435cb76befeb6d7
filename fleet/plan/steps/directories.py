"""The directory exists with its mode.

Undo: what was made is removed as long as it is empty (so are the folders above it that came with it), a mode is set
back. A directory that has been filled by others since stays, and is listed.
"""

from __future__ import annotations

import re
import stat

from fleet.errors import ProvisionError
from fleet.model.playbook import Change, DirectoryStep, Undo
from fleet.plan.shell.program import Answer
from fleet.plan.shell.quoting import path

_QUESTION = """\
target={path}
if [ ! -e "$target" ]; then say absent; return 1; fi
if [ ! -d "$target" ]; then say 'not a directory'; return 1; fi
look_at "$target"
say "${{seen%% *}}"
case $seen in {shown}*) return 0 ;; esac
return 1
"""
_SHOWN = re.compile(r"[a-z-]((?:[r-][w-][xsS-]){2}[r-][w-][xtT-])")
# `mkdir -p` makes what is missing above, too: the topmost of it is remembered.
_KEEP = """\
at={path}
while case $at in ?*/) ;; *) false ;; esac; do at=${{at%/}}; done
top=$at
while case $at in */*) at=${{at%/*}} ;; *) false ;; esac && [ ! -e "${{at:-/}}" ]; do top=$at; done
printf '%s' "$top" >"$kept/top"
"""
_REMOVE = """\
at={path}
top=$(cat -- "$kept/top") || exit 1
while :; do
    if [ -e "$at" ]; then rmdir -- "$at" || exit 1; fi
    [ "$at" = "$top" ] && break
    at=$(dirname -- "$at")
done
"""


def permissions(mode: str) -> int:
    """`0755` → 0o755. ValueError for another shape."""
    if not re.fullmatch(r"[0-7]{3,4}", mode):
        raise ValueError(f"`{mode[:20]}` is no mode: expected three or four octal digits such as 0700")
    return int(mode, 8)


def question(step: DirectoryStep) -> str:
    """Says `absent`, `not a directory`, or the mode as `ls` shows it."""
    return _QUESTION.format(path=path(step.path), shown=stat.filemode(stat.S_IFDIR | permissions(step.mode)))


def change(step: DirectoryStep, answer: Answer) -> Change:
    """Make it, or set its mode. ProvisionError where something else has its name."""
    # Five digits, or chmod keeps a directory's set-group-ID bit, which it may have inherited.
    mode, target = f"{permissions(step.mode):05o}", path(step.path)
    match answer.text.strip():
        case "absent":
            script = f"mkdir -p -- {target} &&\nchmod {mode} -- {target}"
            return Change(summary=f"make directory {step.path} with mode {step.mode}", script=script)
        case "not a directory":
            raise ProvisionError(f"{step.path} exists and is no directory", hint="move it out of the way")
        case _:
            return Change(summary=f"set mode {step.mode} on {step.path}", script=f"chmod {mode} -- {target}")


def undo(step: DirectoryStep, answer: Answer) -> Undo:
    """Remove what was made, or set the mode back."""
    target = path(step.path)
    if answer.text.strip() == "absent":
        return Undo(script=_REMOVE.format(path=target), keep=_KEEP.format(path=target))
    return Undo(script=f"chmod {shown_mode(answer.text)} -- {target}")


def shown_mode(text: str) -> str:
    """`drwxr-s---`, as `ls` shows it → `02750`. ValueError for another shape."""
    found = _SHOWN.match(text.strip())
    if found is None:
        raise ValueError(f"`{text[:20]}` is no mode as ls shows it")
    bits = 0
    for at, sign in enumerate(found[1]):
        bits |= (sign not in "-ST") << (8 - at)
        bits |= (sign in "sStT") << (11 - at // 3)
    return f"{bits:05o}"
