"""PURE. The journal on a host, as shell: an undo is on the disk before its change begins, and is replayed from there.

The journal is a folder, an entry of it a folder `ID.STATE` that holds `about` (one line for the controller), `undo`,
`look` (the question) and `kept` (what the undo needs). It is written as `ID.part` and renamed when all of it is on the
disk, so that an entry that can be seen is whole; it ends with a rename, too. `by` names the shell that makes the
change: one whose controller is gone goes on to the end of the step it is at, and is waited for. What root's steps have
changed is in a journal of root's own: no text that a user could have written is ever run as root.
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
from fleet.plan.program import Answer, Piece

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

# A process that is no zombie, by its number and the tick it was started at, which no later one of that number shares.
# `started` sets `tick`, to nothing where there is no such process. A shell reads a file without starting a program.
_STILL_RUNS = """\
started() {{
    tick=
    {{ read -r stat <"/proc/$1/stat"; }} 2>/dev/null || return 0
    set -- ${{stat##*) }}
    [ "$1" = Z ] || tick=${{20}}
}}
still_runs() {{
    [ -r "$1/by" ] && read -r pid since <"$1/by" && [ "$pid" != "$$" ] && [ -n "$since" ] &&
        started "$pid" && [ "$tick" = "$since" ]
}}
"""
# The shell's own tick and mask are looked at once; the mask is for the journal alone, and is set back. `by` need not be
# on the disk, which takes as long as for any other file: no shell that it could name outlives the machine.
_RECORD = (
    _STILL_RUNS
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
ls | grep '^[0-9T]*-[0-9a-f]*-[0-9]*\\.[do][a-z]*$' | sort -r | awk -v before={before} -v left={listed} '
    (before == "" || $0 < before) && left-- > 0' |
    while IFS= read -r one; do
        printf '%s %s\n' "$one" "$(head -c {about} -- "$one/about" 2>/dev/null | head -n 1)"
    done
exit 0
"""
_FIND = """\
entry={journal}/{id}
if [ -d "$entry.open" ]; then entry=$entry.open; else entry=$entry.done; fi
kept=$entry/kept
"""
_UNDO = (
    _STILL_RUNS
    + _FIND
    + """\
left={patience}
while still_runs "$entry"; do
    [ "$left" -gt 0 ] || {{ echo "the change is still under way (process $pid): wait for it"; exit 1; }}
    left=$((left - 1))
    sleep 1
done
[ -f "$entry/undo" ] || exit 0
. "$entry/undo"
"""
)
_LOOK = _FIND + '. "$entry/look"\n'
_DROP = _FIND + 'rm -rf -- "$entry"\nrmdir -- {journal} 2>/dev/null\nexit 0\n'


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


def listing(journal: str, before: str = "") -> str:
    """Shell text that shows entries, newest first: `ID.STATE ABOUT` a line. `before`: only those older than this id."""
    return _LIST.format(journal=journal, before=shlex.quote(before), listed=LISTED, about=LINE_LIMIT + 1)


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
        place = {"journal": journal, "id": entry.id}
        yield Piece(label=f"undo_{i}", text=_UNDO.format(**place, patience=PATIENCE))
        if entry.looked:
            yield Piece(label=f"look_{i}", text=_LOOK.format(**place))


def look_again(entries: Mapping[int, Entry], journal: str) -> Iterator[Piece]:
    """Pieces that only look (`look_i`) at entries whose question is kept."""
    for i, entry in entries.items():
        yield Piece(label=f"look_{i}", text=_LOOK.format(journal=journal, id=entry.id))


def drop(entries: Mapping[int, Entry], journal: str) -> Iterator[Piece]:
    """Pieces that take entries out of the journal (`drop_i`)."""
    for i, entry in entries.items():
        yield Piece(label=f"drop_{i}", text=_DROP.format(journal=journal, id=entry.id))


def started() -> str:
    """Shell functions: `started PID` sets `tick`; `still_runs ENTRY`: the shell that made that change goes on."""
    return _STILL_RUNS.format()


def put_back(entry: Entry, look: Answer | None) -> bool:
    """Whether the question answers as it did before the change; taken on trust where it is not kept."""
    return not entry.looked or (look is not None and look.status == entry.status)
