"""PURE. One controller at a time on a host, as shell: the lock, and a second look at what was asked before it was had.

The lock is flock(2) on a file, held by the shell that makes the changes: the kernel takes it back however that shell
ends, so that none is ever stale. What the file says (process, who, since when) is for people. It is one for all of
root's changes on a host, whichever inventory they are of, and one for a user's; lab hosts, which share a machine, have
one each. Neither can open the other's: so both hold a folder of root's as well, which everybody can open, and nobody
change. Whoever is on the host can hold that and keep others from changing it: they wait, are told, and give up. A host
without flock(1) has the second look alone.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Sequence
from dataclasses import replace

from fleet.model.inventory import Host
from fleet.plan.shell.journal import ROOTS_HOME, USERS_HOME, journal_of, started
from fleet.plan.shell.page import OVER, settled
from fleet.plan.shell.program import Answer, Piece, defined, glances

LOCK, SAME, LEFT = "lock", "same", "left"
"""The labels of the pieces."""
BUSY = 75
"""Exit status of the lock's piece where another holds it; it says who. (EX_TEMPFAIL of sysexits.h.)"""

TOGETHER = "/var/lib"
"""The folder that root and users hold, after the lock of their own: it is there, and on a disk of the host's own."""
_OTHERS = f"somebody who logs in otherwise and holds {TOGETHER}: as root, `fuser -v {TOGETHER}` tells which process"

# A file that its holder takes away as it ends must not be held by who waited for it: hence `-ef`. A piece in a subshell
# lets go of the descriptor, or a program that it leaves behind would hold the lock for ever.
_LOCK = """\
fleet_page=
trap '{over}' 0
command -v flock >/dev/null || return 0
{where}
left={patience}
while [ "$left" -gt -9 ] || {{ echo 'it is taken away again and again'; return 1; }}; do
    ( umask 077; mkdir -p -- "${{fleet_lock%/*}}" && : >>"$fleet_lock" ) || return 1
    command exec 9>>"$fleet_lock" || return 1
    if flock -n 9; then
        if [ ! -e "/proc/self/fd/9" ] || [ "/proc/self/fd/9" -ef "$fleet_lock" ]; then break; fi
    elif [ "$left" -gt 0 ]; then
        sleep 1
    else
        head -c 300 -- "$fleet_lock" | head -n 1
        return {busy}
    fi
    left=$((left - 1))
done
trap '{over}rm -f -- "$fleet_lock"' 0
printf '%s (process %s on the host)\\n' {who} "$$" >"$fleet_lock" || return 1
{together}{tidy}"""
# Of some networks' file systems none can be held that was opened for reading: that is another status than 1.
_TOGETHER = f"""\
if [ -r {TOGETHER} ]; then
    command exec 8<{TOGETHER} || return 1
    while flock -n 8; [ "$?" -eq 1 ]; do
        [ "$left" -gt 0 ] || {{ echo {shlex.quote(_OTHERS)}; return {BUSY}; }}
        left=$((left - 1))
        sleep 1
    done
fi
"""
# Whoever holds the lock is alone: entries that are not whole, or not ended, are of controllers that are gone. Nobody
# knows how far such a change has come, nor need it be known: its undo is for any.
_TIDY = """\
{runs}
for one in {journal}/*.part {journal}/*.open; do
    [ -e "$one" ] || continue
    if [ "$one" != "${{one%.part}}" ]; then
        rm -rf -- "$one" "${{one%.part}}.kept"
    elif ! still_runs "$one"; then
        if [ -d "$one" ]; then mv -- "$one" "${{one%.open}}.done"; else
{page}
        fi
    fi
    rmdir -- {journal} 2>/dev/null || :
done
"""
# Writable for root alone, whether by sudo or as the user that logs in.
_SHARED = f"if [ -w /var/lib ]; then fleet_lock={ROOTS_HOME}/changing; else fleet_lock={USERS_HOME}/changing; fi"
_SWEEP = """\
command -v flock >/dev/null || exit 0
{where}
for one in "$fleet_lock" {journal}/*.part; do
    if [ -e "$one" ]; then break; fi
done
[ -e "$one" ] && umask 077 && command exec 9>>"$fleet_lock" || exit 0
left={patience}
until flock -n 9; do
    if [ "$left" -le 0 ]; then
        head -c 300 -- "$fleet_lock" | head -n 1
        exit {busy}
    fi
    left=$((left - 1))
    sleep 1
done
[ "/proc/self/fd/9" -ef "$fleet_lock" ] || exit 0
{tidy}rm -f -- "$fleet_lock"
"""
_LEFT = """\
command -v flock >/dev/null || return 0
{where}
for one in "$fleet_lock" {journal}/*.part {journal}/*.open; do
    if [ -e "$one" ]; then return 1; fi
done
"""
_LET_GO = "exec 8>&- 9>&-\n"

_SAME = """\
{functions}
asked() {{
{calls}
}}
sum=$(asked 3>&1 | sha256sum 2>/dev/null) || sum=$(asked 3>&1 | shasum -a 256 2>/dev/null) || exit 0
[ "${{sum%% *}}" = {digest} ]
"""


def lock(host: Host, who: str, patience: int, *, root: bool) -> Piece:
    """What takes the lock, and lets go of it as the program ends; the other holder is waited for `patience` seconds.

    `who`: told to whoever finds it held. `root`: for changes that go through sudo.
    """
    text = _LOCK.format(
        where=_where(host, root=root),
        together="" if _alone(host, root=root) else _TOGETHER,
        tidy=_tidy(host, root=root),
        over=OVER,
        patience=patience,
        busy=BUSY,
        who=shlex.quote(" ".join(who.split())[:200]),
    )
    return Piece(label=LOCK, text=text, vital=True, plain=True)


def sweep(host: Host, patience: int, *, root: bool) -> Piece:
    """What waits, as `lock` does, for whoever is changing the host, and removes what controllers that died have left.

    It removes the lock's file and entries of the journal that were never whole; where nothing is, it makes nothing.
    """
    where, journal, tidy = _where(host, root=root), journal_of(host, root=root), _tidy(host, root=root)
    return Piece(label=LOCK, text=_SWEEP.format(where=where, journal=journal, tidy=tidy, patience=patience, busy=BUSY))


def left_behind(host: Host, *, root: bool) -> Piece:
    """What fails where a controller that is gone, or one that is at it, has left something: `lock` puts it in order."""
    text = _LEFT.format(where=_where(host, root=root), journal=journal_of(host, root=root))
    return Piece(label=LEFT, text=text, plain=True)


def _tidy(host: Host, *, root: bool) -> str:
    return _TIDY.format(runs=started(), journal=journal_of(host, root=root), page=settled())


def _where(host: Host, *, root: bool) -> str:
    return f"fleet_lock={shlex.quote(f'{host.work_dir}.changing')}" if _alone(host, root=root) else _SHARED


def _alone(host: Host, *, root: bool) -> bool:
    """Whether its lock is that of a lab host, beside the work folder."""
    return host.lab and not root


def same(asked: Sequence[tuple[Piece, Answer]], noisy: frozenset[str]) -> Piece:
    """What fails unless the questions are answered as they were. `noisy`: labels of which only the status counts."""
    pieces = [piece for piece, _ in asked]
    looks = glances(pieces)
    expected = hashlib.sha256()
    calls: list[str] = []
    for at, (piece, answer) in enumerate(asked):
        loud = piece.label not in noisy
        calls += looks.get(at, ())
        calls.append(f"piece_{piece.label} {'2>&1' if loud else '>/dev/null 2>&1 3>&1'}; printf '\\n=%s\\n' \"$?\"")
        expected.update((answer.said if loud else b"") + f"\n={answer.status}\n".encode())
    text = _SAME.format(functions="\n".join(map(defined, pieces)), calls="\n".join(calls), digest=expected.hexdigest())
    return let_go(Piece(label=SAME, text=text, vital=True))


def let_go(piece: Piece) -> Piece:
    """The piece, so that nothing that it leaves behind holds the lock."""
    return piece if piece.plain else replace(piece, text=_LET_GO + piece.text)
