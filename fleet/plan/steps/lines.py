"""A text file has the line, or has no such line. The rest of it stays as it is, and so do its mode and owner.

Undo: the line goes again, the old line comes back in its place, lines that went come back at their numbers; whatever
others have written into the file since stays. A file that was made for the line is removed if it has no other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from fleet.errors import ProvisionError
from fleet.model.hoststeps import LineStep, Presence
from fleet.model.playbook import Change, Undo
from fleet.plan.shell.program import Answer
from fleet.plan.shell.quoting import path, tame
from fleet.plan.steps.directories import permissions
from fleet.plan.steps.fragments import KEEP, PUT_BACK, WRITE, count, given

_LIMIT = 32 * 2**10
"""Bytes of lines to be removed that a host may tell, to be shown."""
_SHOWN = 80

# found: the number and text of the last line that the pattern finds.
_FIND = """\
found=
if [ -n "$match" ]; then
    grep -E -e "$match" </dev/null 2>/dev/null
    if [ $? -gt 1 ]; then echo 'bad pattern'; exit 1; fi
    found=$(grep -nE -e "$match" -- "$file" | tail -n 1)
fi
"""
_END = "@@ end of file @@"
_PRESENT = """\
if [ ! -e "$file" ]; then echo absent; exit 1; fi
if [ ! -f "$file" ] || [ ! -r "$file" ]; then echo 'not a file'; exit 1; fi
{find}
if [ -n "$found" ]; then
    [ "${{found#*:}}" = "$line" ] && exit 0
    echo "replace $found"
    exit 1
fi
grep -qxF -e "$line" -- "$file" && exit 0
echo add
exit 1
"""
_WANTED = """\
if [ -n "$match" ]; then set -- -E -e "$match"; else set -- -xF -e "$line"; fi
"""
_ABSENT = """\
[ -e "$file" ] || exit 0
if [ ! -f "$file" ] || [ ! -r "$file" ]; then echo 'not a file'; exit 1; fi
{find}
{wanted}
grep -q "$@" -- "$file" || exit 0
echo remove
grep -n "$@" -- "$file" | head -c {limit}
exit 1
"""
# A link is followed: what it points to is what is edited. The copy keeps mode and owner, the rename is atomic.
_EDIT = """\
if [ -L "$file" ]; then file=$(readlink -f -- "$file") || exit 1; fi
part=$file.part.$$
trap 'rm -f -- "$part"' EXIT
cp -p -- "$file" "$part" || exit 1
{edit} <"$file" >"$part" || exit 1
mv -f -- "$part" "$file"
"""
# Looked for again: an earlier step may have brought the file, or written into it.
_SET = """\
if [ ! -f "$file" ]; then echo "$file is not there: with create: 0644 fleet makes it"; exit 1; fi
{find}
if [ -z "$found" ] && grep -qxF -e "$line" -- "$file"; then exit 0; fi
set_line() {{
    if [ -n "$found" ]; then awk -v at="${{found%%:*}}" 'NR == at {{ print ENVIRON["line"]; next }} {{ print }}'
    else awk '{{ print }} END {{ print ENVIRON["line"] }}'
    fi
}}
{edit}
"""
_REMOVE = """{ grep -v "$@" || [ $? -eq 1 ]; }"""
_MAKE = """\
write_file "$file" {mode} "$line
"
"""
# The last one of its kind: that is where `add` puts it.
_UNDO_LAST = """\
[ -e "$file" ] || exit 0
at=$(grep -nxF -e "$line" -- "$file" | tail -n 1)
[ -n "$at" ] || exit 0
"""
_DROP = """awk -v at="${at%%:*}" 'NR != at'"""
_REVERT = """awk -v at="${at%%:*}" 'NR == at { print ENVIRON["old"]; next } { print }'"""
_ALONE = """\
if [ "$(cat -- "$file")" = "$line" ]; then rm -f -- "$file"; exit 0; fi
"""
# Each comes back where it was: what has the same number then moves down.
_KEEP_OLD = """\
printf '%s' "${found#*:}" >"$kept/old" || exit 1
"""
_KEEP_GONE = """\
grep -n "$@" -- "$file" >"$kept/old" || exit 1
"""
_KEEP_FILE = 'keep_file file "$file" || exit 1\n'
_BACK = """\
[ ! -e "$kept/file" ] || put_back file "$file"
"""
_OLD = """\
old=$(cat -- "$kept/old") || exit 1
export old
"""
_REINSERT = """\
[ -e "$file" ] || exit 0
grep -q "$@" -- "$file" && exit 0
"""
_INSERT = """\
awk '
    BEGIN {
        count = split(ENVIRON["old"], list, "\\n")
        for (i = 1; i <= count; i++) {
            colon = index(list[i], ":")
            at[i] = substr(list[i], 1, colon - 1)
            text[i] = substr(list[i], colon + 1)
        }
        next_ = 1
    }
    {
        while (next_ <= count && at[next_] + 0 <= put + 1) { print text[next_++]; put++ }
        print
        put++
    }
    END { while (next_ <= count) print text[next_++] }
'"""


def question(step: LineStep) -> str:
    """Says `absent`, `not a file`, `bad pattern`, `add`, `replace NUMBER:OLD`, or `remove` and NUMBER:LINE each."""
    path(step.path)
    if step.create is not None:
        permissions(step.create)
    for text in (step.line, step.match or ""):
        if re.search(r"[\n\r]", text):
            raise ValueError("a line has no line break")
    if step.match == "" or not (step.line or step.match):
        raise ValueError("`line` or `match` is empty")
    if step.state is Presence.PRESENT:
        if not step.line:
            raise ValueError("`line` is empty")
        return _values(step) + _PRESENT.format(find=_FIND)
    if step.line and step.match:
        raise ValueError("what is to be absent has a `line` or a `match`, not both")
    return _values(step) + _ABSENT.format(find=_FIND, wanted=_WANTED, limit=_LIMIT)


def change(step: LineStep, answer: Answer) -> Change:
    """Add, replace or remove. ProvisionError where the file cannot be read."""
    found, _, rest = answer.text.partition("\n")
    values = _values(step) + "export line\n"
    match found.partition(" ")[0]:
        case "absent" if step.create is not None:
            mode = f"{permissions(step.create):04o}"
            return Change(
                summary=f"write {step.path}: {_shown(step.line)}, mode {mode}",
                script=values + WRITE + _MAKE.format(mode=mode),
                diff=_unified(step, ["@@ -0,0 +1 @@", f"+{tame(step.line)}"]),
            )
        case "absent":
            return Change(summary=f"{step.path}: set {_shown(step.line)}", script=values + _set())
        case "add":
            summary = f"{step.path}: add {_shown(step.line)}"
            return Change(summary=summary, script=values + _set(), diff=_unified(step, [_END, f"+{tame(step.line)}"]))
        case "replace":
            at, _, old = found.removeprefix("replace ").partition(":")
            return Change(
                summary=f"{step.path}: {_shown(old)} becomes {_shown(step.line)}",
                script=values + _set(),
                diff=_unified(step, [f"@@ -{tame(at, 9)} +{tame(at, 9)} @@", f"-{tame(old)}", f"+{tame(step.line)}"]),
            )
        case "remove":
            gone = [line.partition(":")[::2] for line in rest.splitlines()]
            return Change(
                summary=f"{step.path}: remove {count(len(gone), 'line')}",
                script=values + _WANTED + _EDIT.format(edit=_REMOVE),
                diff=_unified(step, [part for at, old in gone for part in (f"@@ -{tame(at, 9)} @@", f"-{tame(old)}")]),
            )
        case "bad":
            raise ProvisionError(f"the host's grep does not understand `{step.match}`", hint="expected a POSIX ERE")
        case _:
            raise ProvisionError(f"{step.path} is no file that can be read", hint="is `sudo: true` missing?")


def undo(step: LineStep, answer: Answer) -> Undo:
    """Take the line out, put the old line or the removed ones back."""
    values = _values(step)
    match answer.text.partition("\n")[0].partition(" ")[0]:
        case "absent" if step.create is None:
            return Undo(script=values + PUT_BACK + _BACK, keep=values + KEEP + _KEEP_FILE)
        case "absent":
            return Undo(script=values + _UNDO_LAST + _ALONE + _EDIT.format(edit=_DROP))
        case "add":
            return Undo(script=values + _UNDO_LAST + _EDIT.format(edit=_DROP))
        case "replace":
            script = values + _OLD + _UNDO_LAST + _EDIT.format(edit=_REVERT)
            return Undo(script=script, keep=values + _FIND + _KEEP_OLD)
        case "remove":
            script = values + _OLD + _WANTED + _REINSERT + _EDIT.format(edit=_INSERT)
            return Undo(script=script, keep=values + _WANTED + _KEEP_GONE)
        case _:
            return Undo(script=None, reason="nothing could be changed")


def _set() -> str:
    return _SET.format(find=_FIND, edit=_EDIT.format(edit="set_line"))


def _values(step: LineStep) -> str:
    return f"file={path(step.path)}\n" + given({"line": step.line, "match": step.match or ""})


def _unified(step: LineStep, lines: Sequence[str]) -> str:
    """A diff with the head that files' diffs have, and the numbers of lines as far as the host has told them."""
    return "\n".join([f"--- {step.path}", f"+++ {step.path}", *lines]) + "\n"


def _shown(line: str) -> str:
    plain = tame(line)
    return f"`{plain if len(plain) <= _SHOWN else plain[: _SHOWN - 1] + '…'}`"
