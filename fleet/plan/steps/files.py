"""The file holds exactly its text, with its mode.

Undo: the old file, link or mode is put back as it was, owner and times included; a file that was not there is removed.
"""

from __future__ import annotations

import difflib
import hashlib
import itertools
import shlex
import stat
from collections import Counter

from fleet.errors import ProvisionError
from fleet.model.playbook import Change, FileStep, Undo
from fleet.plan.shell.program import Answer
from fleet.plan.shell.quoting import path
from fleet.plan.steps.directories import permissions, shown_mode

_QUESTION = """\
target={path}
if [ ! -e "$target" ]; then say absent; return 1; fi
if [ ! -f "$target" ]; then say 'not a file'; return 1; fi
look_at "$target"
digest_of "$target"
case $sum in
{digest})
    case $seen in {shown}*) return 0 ;; esac
    say "${{seen%% *}}" ;;
'')
    say 'cannot be compared' ;;
*)
    say differs
    aloud
    head -c {limit} <"$target" ;;
esac
return 1
"""
_LIMIT = 64 * 2**10
"""Bytes of an old content that are looked at, to say how much would change."""
DIFF_LIMIT = 400
"""Lines of a diff that are kept."""
# Written beside and renamed: a reader sees the old file or the new one.
_WRITE = """\
target={path}
part=$target.part.$$
umask 077
if ! {{ printf '%s' {content} >"$part" && chmod {mode} "$part" && mv -f -- "$part" "$target"; }}; then
    rm -f -- "$part"
    exit 1
fi
"""
# A link is kept as a link. `cp` and a rename, so that a second undo still finds what was kept.
_KEEP = """\
cp -pP -- {path} "$kept/old"
"""
_PUT_BACK = """\
target={path}
part=$target.part.$$
cp -pP -- "$kept/old" "$part" && mv -f -- "$part" "$target"
"""


def question(step: FileStep) -> str:
    """Says `absent`, `not a file`, `cannot be compared`, its mode (only that is wrong), or `differs` and the old."""
    if "\0" in step.content:
        raise ValueError("the content has a zero byte, which no shell can carry")
    return _QUESTION.format(
        path=path(step.path),
        digest=hashlib.sha256(step.content.encode()).hexdigest(),
        shown=stat.filemode(stat.S_IFREG | permissions(step.mode)),
        limit=_LIMIT,
    )


def change(step: FileStep, answer: Answer) -> Change:
    """Write it, or set its mode. ProvisionError where something else has its name, or it cannot be read."""
    mode = f"{permissions(step.mode):04o}"
    found, _, old = answer.text.partition("\n")
    write = _WRITE.format(path=path(step.path), content=shlex.quote(step.content), mode=mode)
    match found:
        case "absent":
            lines = len(step.content.splitlines())
            size = f"{lines} line{'' if lines == 1 else 's'}"
            summary = f"write {step.path}: {size}, mode {mode}"
            return Change(summary=summary, script=write, diff=difference("", step.content, step.path))
        case "differs":
            summary = f"rewrite {step.path}: {_difference(old, step.content)}"
            return Change(summary=summary, script=write, diff=difference(old, step.content, step.path))
        case "not a file":
            raise ProvisionError(f"{step.path} exists and is no file", hint="move it out of the way")
        case "cannot be compared":
            hint = "it needs to be readable, and the host needs sha256sum or shasum"
            raise ProvisionError(f"{step.path} cannot be compared", hint=hint)
        case _:
            return Change(summary=f"set mode {mode} on {step.path}", script=f"chmod {mode} -- {path(step.path)}")


def _difference(old: str, new: str) -> str:
    """Lines that go and come, moved ones not counted."""
    if len(old.encode()) >= _LIMIT:
        return "what is there is long and different"
    before, after = Counter(old.splitlines()), Counter(new.splitlines())
    return f"+{(after - before).total()} −{(before - after).total()} lines"


def difference(old: str, new: str, path: str) -> str:
    """A unified diff, at most DIFF_LIMIT lines of it; empty where the old text is too long to be known whole."""
    if len(old.encode()) >= _LIMIT:
        return ""
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), path, path, lineterm="")
    shown = list(itertools.islice(lines, DIFF_LIMIT + 1))
    if len(shown) > DIFF_LIMIT:
        shown[-1] = "…"
    return "\n".join(shown)


def undo(step: FileStep, answer: Answer) -> Undo:
    """Remove it, or put the old one or its mode back."""
    target = path(step.path)
    match answer.text.partition("\n")[0]:
        case "absent":
            return Undo(script=f"rm -f -- {target}")
        case "differs":
            return Undo(script=_PUT_BACK.format(path=target), keep=_KEEP.format(path=target))
        case mode:
            return Undo(script=f"chmod {shown_mode(mode)} -- {target}")
