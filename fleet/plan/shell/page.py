"""PURE. A page of the journal, as shell: the entries of many changes, on the disk together before the first of them.

A page is a file `ID.open`, ID being that of its first entry, and text of shell itself: a line says which shell makes
its changes, one an entry says what that is, how it is undone and what is asked afterwards, and later ones say what
became of it (`begun`, `made`, `gone`). It is written as `ID.part` and renamed when it is on the disk; it becomes
`ID.done` when that shell ends. What an undo needs of the state before is in the folder `ID.kept/NUMBER`, and on the
disk before that change begins.

Later lines need not be on the disk: they outlive whatever happens to a process. Where the machine was started anew
while a page was open, an entry without a mark may have been begun, and counts as if it were (`lost` says so when the
page is settled); before it is undone, its question is asked.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fleet.plan.shell.process import RUNS

ENTRIES = 50
"""Entries of a page: each of its readers reads all of them, and after a power cut all are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An entry of a page. `number`: the digits that its id ends with; `keep`: shell text that fills `$kept`, or ''."""

    number: str
    about: str
    undo: str
    look: str
    keep: str


OVER = '[ -z "$fleet_page" ] || mv -- "$fleet_page.open" "$fleet_page.done"\n'
"""Shell text for the end of the shell that makes changes."""

# `boot` is empty where the host does not tell: then nothing is known of whether it was started anew.
_BOOT = 'boot=\n{{ read -r boot <"/proc/sys/kernel/random/boot_id"; }} 2>/dev/null\n'
_WRITE = (
    RUNS
    + _BOOT
    + """\
[ -n "$fleet_tick" ] || {{ started $$; fleet_tick=$tick; }}
written() {{
    left={patience}
    for other in {journal}/*.open; do
        while still_runs "$other"; do
            [ "$left" -gt 0 ] || {{ echo "another change is under way there (process $pid): wait for it"; return 1; }}
            left=$((left - 1))
            sleep 1
        done
    done
    umask 077
    mkdir -p -- {journal} {folders} || return 1
    printf 'page %s %s %s\\n' "${{boot:-unknown}}" "$$" "${{fleet_tick:-0}}" >{page}.part || return 1
    cat >>{page}.part <<'{end}' || return 1
{lines}{end}
    sync -- {page}.part {synced} 2>/dev/null || sync
    mv -- {page}.part {page}.open || return 1
    sync -- {journal} 2>/dev/null || sync
}}
if ! ( written ); then rm -rf -- {page}.part {page}.kept; return 1; fi
{over}fleet_page={page}
"""
)
_KEEP = """\
kept={page}.kept/{number}
(
umask 077
{keep}
) || {{ echo 'what is there cannot be kept'; return 1; }}
set -- "$kept"
for one in "$kept"/*; do
    if [ -r "$one" ]; then set -- "$@" "$one"; fi
done
sync -- "$@" 2>/dev/null || sync
unset kept one
"""
_MARK = "printf '{mark} %s\\n' {number} >>{page}.open\n"


# A line that was cut off is no word of the page: what the shell says of it is for nobody.
_READ = (
    _BOOT
    + """\
page() {{ began=$1; }}
entry() {{ all="$all $1"; eval "state_$1= about_$1=\\$2 undo_$1=\\$3 look_$1=\\$4"; }}
begun() {{ eval "state_$1=open"; }}
made() {{ eval "state_$1=done"; }}
gone() {{ eval "state_$1=gone"; }}
lost() {{ unsure=open; }}
left_of() {{
    left= all= began= unsure=
    . "$1" 2>/dev/null
    case $1 in *.open) [ "$began" = "$boot" ] || lost ;; esac
    for number in $all; do
        eval "state=\\$state_$number"
        case ${{state:-$unsure}} in open | done) left="$left $number" ;; esac
    done
}}
"""
)
_SHOW = """\
for one in {journal}/*.open {journal}/*.done; do
    [ -f "$one" ] || continue
    (
        left_of "$one"
        run=${{one##*/}}
        run=${{run%-*}}
        for number in $left; do
            eval "state=\\$state_$number about=\\$about_$number"
            printf '%s-%s.%s %s\\n' "$run" "$number" "${{state:-open}}" "$about"
        done
    )
done
"""
_SETTLE = (
    "(\n"
    + _READ
    + """\
    left_of "$one"
    if [ -z "$left" ]; then rm -rf -- "$one" "${{one%.open}}.kept"; exit; fi
    [ -z "$unsure" ] || printf 'lost\\n' >>"$one"
    mv -- "$one" "${{one%.open}}.done"
)
"""
)
_FIND = """\
entry= from=
for one in {journal}/{run}-*.open {journal}/{run}-*.done; do
    first=${{one%.*}}
    first=1${{first##*-}}
    [ -f "$one" ] && [ "$first" -le 1{number} ] && [ "$first" -ge "${{from:-$first}}" ] || continue
    entry=$one from=$first
done
[ -n "$entry" ] || exit 0
kept=${{entry%.*}}.kept/{number}
left_of "$entry"
state=$state_{number} undo=$undo_{number} look=$look_{number}
"""
_DROP = """\
printf 'gone %s\\n' {number} >>"$entry"
rm -rf -- "$kept"
left_of "$entry"
[ -n "$left" ] || rm -rf -- "$entry" "${{entry%.*}}.kept"
"""


def write(lines: Sequence[Line], page: str, journal: str, patience: int) -> str:
    """Shell text that has a page on the disk when it ends well; another's changes are waited for `patience` seconds.

    `page`: its path without its ending, one word of shell, as `journal` is.
    """
    kept = [f"{page}.kept/{line.number}" for line in lines if line.keep]
    said = "".join(f"entry {shlex.join((line.number, line.about, line.undo, line.look))}\n" for line in lines)
    return _WRITE.format(
        journal=journal,
        page=page,
        patience=patience,
        folders=" ".join(kept),
        synced=f"{page}.kept" if kept else "",
        over=OVER,
        lines=said,
        end=f"page-{hashlib.sha256(said.encode()).hexdigest()[:16]}",
    )


def begin(line: Line, page: str) -> str:
    """Shell text that keeps what the undo needs, and marks the entry as begun."""
    keep = _KEEP.format(page=page, number=line.number, keep=line.keep) if line.keep else ""
    return keep + _MARK.format(mark="begun", number=line.number, page=page)


def made_of(line: Line, page: str) -> str:
    """Shell text that marks a change as made."""
    return _MARK.format(mark="made", number=line.number, page=page)


def show(journal: str) -> str:
    """Shell text that shows the entries of all pages, `ID.STATE ABOUT` a line."""
    return _READ.format() + _SHOW.format(journal=journal)


def settled() -> str:
    """Shell text that settles the page `$one`, whose shell is gone; one with nothing begun is removed."""
    return _SETTLE.format()


def find(number: str, run: str, journal: str) -> str:
    """Shell text that sets `entry` (the page), `kept`, `undo`, `look`, and `state` (empty = no mark says it was begun).

    It exits where there is no such page.
    """
    return _READ.format() + _FIND.format(number=number, run=run, journal=journal)


def drop_line(number: str) -> str:
    """Shell text that takes what was found out of its page, and removes a page of which nothing is left."""
    return _DROP.format(number=number)


def pages(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    """The numbers of entries, as many as a page has at a time."""
    for at in range(0, len(numbers), ENTRIES):
        yield numbers[at : at + ENTRIES]
