"""PURE. The journal on a host, as shell: an undo is on the disk before its change begins, and is replayed from there.

The journal is a folder. The changes of a playbook are in pages of it (`page`). A change that is made by itself is a
folder `ID.STATE` that holds `about` (one line for the controller), `undo`, `look` (the question) and `kept` (what the
undo needs). It is written as `ID.part` and renamed when all of it is on the disk, so that an entry that can be seen is
whole; it ends with a rename, too. `by` names the shell that makes the change: one whose controller is gone goes on to
the end of the step it is at, and is waited for. What root's steps have changed is in a journal of root's own: no text
that a user could have written is ever run as root.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from fleet.model.inventory import Host
from fleet.model.journal import Entry, EntryState
from fleet.model.playbook import Undo
from fleet.plan.shell.page import Line, begin, drop_line, find, made_of, pages, show, write
from fleet.plan.shell.process import RUNS
from fleet.plan.shell.program import Answer, Piece

ROOTS_HOME = "/var/lib/fleet"
USERS_HOME = ".local/state/fleet"
"""In the user's home, as the XDG base directory specification has it: not in the work folder, which may be undone."""
LISTED = 40
"""Entries that one listing shows; with LINE_LIMIT it is well below what one answer may have."""
LINE_LIMIT = 2500
"""Characters of an entry's line."""
PATIENCE = 600
"""Seconds that a change of a controller that is gone is waited for, before another one or its undo begins."""
ABOUT_LIMIT = 300
"""Characters of an entry's summary and of its reason."""

_ID = re.compile(r"[0-9]{8}T[0-9]{12}-[0-9a-f]{8}-[0-9]{5}\Z")

# The shell's own tick and mask are looked at once; the mask is for the journal alone, and is set back. `by` need not be
# on the disk, which takes as long as for any other file: no shell that it could name outlives the machine.
_RECORD = (
    RUNS
    + """\
[ -n "$fleet_mask" ] || {{ fleet_mask=$(umask); started $$; fleet_tick=$tick; }}
recorded() {{
    journal={journal}
    entry=$journal/{id}
    left={patience}
    for other in "$journal"/*.open; do
        while still_runs "$other"; do
            [ "$left" -gt 0 ] || {{ echo "another change is under way there (process $pid): wait for it"; return 1; }}
            left=$((left - 1))
            sleep 1
        done
    done
    mkdir -p -- "$entry.part/kept" || return 1
    kept=$entry.part/kept
{keep}
    printf '%s\\n' {about} >"$entry.part/about" || return 1
{texts}
    set --
    for one in "$entry.part" "$entry.part"/* "$entry.part"/kept/*; do
        if [ -r "$one" ]; then set -- "$@" "$one"; fi
    done
    sync -- "$@" 2>/dev/null || sync
    printf '%s %s\\n' "$$" "$fleet_tick" >"$entry.part/by" || return 1
    mv -- "$entry.part" "$entry.open" || return 1
    sync -- "$journal" 2>/dev/null || sync
}}
umask 077
recorded
came=$?
[ "$came" = 0 ] || rm -rf -- "$entry.part"
umask "$fleet_mask"
unset journal entry left other pid since tick stat kept one
return "$came"
"""
)
_KEEP = """\
(
{keep}
) || {{ echo 'what is there cannot be kept'; rm -rf -- "$entry.part"; return 1; }}"""
_TEXT = """printf '%s' {text} >"$entry.part/{name}" || return 1"""
_SETTLE = 'journal={journal}\nmv -- "$journal/{id}.open" "$journal/{id}.done"\n'
_LIST = """\
cd -- {journal} 2>/dev/null || exit 0
{{
    for one in *.open *.done; do
        if [ -d "$one" ]; then printf '%s\\n' "$one"; fi
    done
{pages}
}} | grep '^[0-9T]*-[0-9a-f]*-[0-9]*\\.[do][a-z]*' | sort -r | awk -v before={before} -v left={listed} '
    (before == "" || $0 < before) && left-- > 0' |
    while IFS= read -r one; do
        case $one in *' '*) ;; *) one="$one $(head -c {about} -- "$one/about" 2>/dev/null | head -n 1)" ;; esac
        printf '%s\\n' "$one"
    done
exit 0
"""
# Sets `entry`, `kept`, `undo`, `look`; `state` is empty where nothing says that the change was begun.
_FIND = """\
find_it() {{
    entry={journal}/{id} state=open
    if [ -d "$entry.open" ] || [ -d "$entry.done" ]; then
        if [ -d "$entry.open" ]; then entry=$entry.open; else entry=$entry.done; fi
        kept=$entry/kept undo='[ ! -f "$entry/undo" ] || . "$entry/undo"' look='. "$entry/look"'
        return
    fi
{page}
}}
find_it
"""
_UNDO = (
    RUNS
    + _FIND
    + """\
left={patience}
while still_runs "$entry"; do
    [ "$left" -gt 0 ] || {{ echo "the change is still under way (process $pid): wait for it"; exit 1; }}
    left=$((left - 1))
    sleep 1
    find_it
done
if [ -z "$state" ]; then
    ( eval "$look" ) >/dev/null 2>&1 3>&1
    if [ "$?" -eq {status} ]; then exit 0; fi
fi
eval "$undo"
"""
)
_LOOK = _FIND + 'eval "$look"\n'
_DROP = (
    _FIND
    + """\
if [ -d "$entry" ]; then
    rm -rf -- "$entry"
else
{drop}
fi
rmdir -- {journal} 2>/dev/null
exit 0
"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What is written before a change: the entry, its line in the journal, and the undo. `look`: None = not kept."""

    entry: Entry
    about: str
    undo: Undo
    look: str | None


def run_id(now: float, chance: str) -> str:
    """The beginning of the ids of one run's entries, so that later ones are greater. `chance`: 8 hexadecimal digits."""
    return f"{datetime.fromtimestamp(now, UTC).strftime('%Y%m%dT%H%M%S%f')}-{chance}"


def journal_of(host: Host, *, root: bool) -> str:
    """The journal's folder: the host's by name and work folder, since lab hosts share a machine, and often a user.

    A lab host's lies beside its work folder, so that it goes with the lab.
    """
    if host.lab and not root:
        return shlex.quote(f"{host.work_dir}.journal")
    key = hashlib.sha256(f"{host.name}\0{host.work_dir}".encode()).hexdigest()[:12]
    return f"{ROOTS_HOME if root else USERS_HOME}/journal-{key}"


def folder_of(host: Host, *, root: bool) -> str:
    """Where fleet may keep files on a host, as root or as its user: absolute, or relative to the user's home."""
    if root:
        return ROOTS_HOME
    return f"{host.work_dir}.state" if host.lab else USERS_HOME


def digest(text: str) -> str:
    """SHA-256 of an answer's text."""
    return hashlib.sha256(text.encode()).hexdigest()


def record(recording: Recording, journal: str) -> str:
    """Shell text that writes the entry and has it on the disk when it ends well."""
    undo = recording.undo
    keep = undo.keep.strip()
    texts = (("undo", undo.script), ("look", recording.look))
    return _RECORD.format(
        journal=journal,
        id=recording.entry.id,
        patience=PATIENCE,
        keep=_KEEP.format(keep=keep) if keep and undo.script is not None else "",
        about=shlex.quote(recording.about),
        texts="\n".join(_TEXT.format(text=shlex.quote(text), name=name) for name, text in texts if text is not None),
    )


def settle(entry: Entry, journal: str) -> str:
    """Shell text that marks a change as made."""
    return _SETTLE.format(journal=journal, id=entry.id)


def record_all(recordings: Mapping[int, Recording], journal: str) -> Mapping[int, tuple[str, str]]:
    """For each change of a program what has its entry on the disk before it, and what marks it as made.

    Entries of many come with the first of them, as a page: one wait for the disk.
    """
    made: dict[int, tuple[str, str]] = {}
    lines = {i: _line_of(recording) for i, recording in recordings.items()}
    for few in pages(tuple(lines)):
        first = f"{journal}/{recordings[few[0]].entry.id}"
        before = write([lines[i] for i in few], first, journal, PATIENCE)
        for i in few:
            made[i] = (before + begin(lines[i], first), made_of(lines[i], first))
            before = ""
    return made


def _line_of(recording: Recording) -> Line:
    undo = recording.undo
    return Line(
        number=_split(recording.entry)[1],
        about=recording.about,
        undo=undo.script or "",
        look=recording.look or "",
        keep=undo.keep.strip() if undo.script is not None else "",
    )


def _split(entry: Entry) -> tuple[str, str]:
    """The run and the number of an id."""
    run, _, number = entry.id.rpartition("-")
    return run, number


def listing(journal: str, before: str = "") -> str:
    """Shell text that shows entries, newest first: `ID.STATE ABOUT` a line. `before`: only those older than this id."""
    return _LIST.format(
        journal=journal, before=shlex.quote(before), listed=LISTED, about=LINE_LIMIT + 1, pages=show(".")
    )


def listed(text: str) -> Iterator[tuple[str, EntryState, str]]:
    """The id, state and line of each entry that a listing shows; what is none of ours is left out."""
    for line in text.splitlines():
        name, _, about = line.partition(" ")
        id_, _, state = name.rpartition(".")
        if _ID.match(id_) and state in {EntryState.OPEN.value, EntryState.DONE.value}:
            yield id_, EntryState(state), about


def replay(entries: Mapping[int, Entry], journal: str) -> Iterator[Piece]:
    """Pieces that undo (`undo_i`) and look again (`look_i`), in the order of the mapping; each stands for itself."""
    for i, entry in entries.items():
        undo = _UNDO.format(**_place(entry, journal), patience=PATIENCE, status=entry.status)
        yield Piece(label=f"undo_{i}", text=undo)
        if entry.looked:
            yield Piece(label=f"look_{i}", text=_LOOK.format(**_place(entry, journal)))


def look_again(entries: Mapping[int, Entry], journal: str) -> Iterator[Piece]:
    """Pieces that only look (`look_i`) at entries whose question is kept."""
    for i, entry in entries.items():
        yield Piece(label=f"look_{i}", text=_LOOK.format(**_place(entry, journal)))


def drop(entries: Mapping[int, Entry], journal: str) -> Iterator[Piece]:
    """Pieces that take entries out of the journal (`drop_i`)."""
    for i, entry in entries.items():
        gone = drop_line(_split(entry)[1])
        yield Piece(label=f"drop_{i}", text=_DROP.format(**_place(entry, journal), drop=gone))


def _place(entry: Entry, journal: str) -> Mapping[str, str]:
    """Where an entry is to be found, for the texts above."""
    run, number = _split(entry)
    return {"journal": journal, "id": entry.id, "page": find(number, run, journal)}


def started() -> str:
    """Shell functions: `started PID` sets `tick`; `still_runs ENTRY`: the shell that made that change goes on."""
    return RUNS.format()


def put_back(entry: Entry, look: Answer | None) -> bool:
    """Whether the question answers as it did before the change; taken on trust where it is not kept."""
    return not entry.looked or (look is not None and look.status == entry.status)
