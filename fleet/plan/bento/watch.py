"""The watch: a program that stays on the host and puts back what was changed there when its controller falls silent.

It is started before the first change, in a session of its own, so that it outlives the connection. The controller
renews a deadline by writing a new beat; when none has come for that long, or the controller asks for it, the watch
replays the journal's entries of its run, newest first, until the host answers as it did before. Time is the kernel's
uptime: a clock that is set does not matter. As long as it lasts it holds the host (`fleet.plan.shell.underway`): no
other run begins there, and a controller whose watch has ended, with the host's power say, is told so.
"""

from __future__ import annotations

import posixpath
import shlex

from fleet.plan.shell.journal import started
from fleet.plan.shell.quoting import path
from fleet.plan.shell.underway import NOBODY, functions
from fleet.plan.steps.fragments import given

BUSY = 75
"""Exit status of what sets the watch where another run holds the host; it says whose. (EX_TEMPFAIL of sysexits.h.)"""
HELD_SECONDS = 20
"""A watch that was told to end, or that has put everything back, is waited for so long."""
PAUSE = 1
"""Seconds between two looks at the beat."""
ROUNDS = 4000
"""How often it tries to put back what cannot be yet, ROUND_SECONDS apart: longer than a broker's grace period."""
ROUND_SECONDS = 5

# `over` is made before anything is put back: a change that comes after it is refused. It is a folder, as the beats may
# be in a folder of another user's, who could have led a file anywhere.
_WATCH = """\
now() { read -r up rest <"/proc/uptime"; now=${up%%.*}; }
gone() { [ ! -d "$beats" ]; }
entries() { ls -- "$journal" 2>/dev/null | grep -E "^$run-[0-9]+[.](open|done)$" | sort -r; }
replay() {
    left=
    for one in $(entries); do
        entry=$journal/$one
        waited=0
        while still_runs "$entry" && [ "$waited" -lt 600 ]; do waited=$((waited + 1)); sleep 1; done
        [ -d "$entry" ] || { entry=$journal/${one%.open}.done; [ -d "$entry" ] || continue; }
        kept=$entry/kept
        # What an undo leaves running must not hold the host.
        if ( . "$entry/undo" ) </dev/null >/dev/null 2>&1 7>&- && ( . "$entry/look" ) </dev/null >/dev/null 2>&1; then
            rm -rf -- "$entry"
        else left=y
        fi
    done
    rm -rf -- "$journal/$run"-*.part
    rmdir -- "$journal" 2>/dev/null
}
seen=none
now; last=$now
while ! gone; do
    beat=
    { read -r beat <"$beats/beat"; } 2>/dev/null
    now
    if [ "$beat" != "$seen" ]; then seen=$beat; last=$now; fi
    if [ "$beat" = release ] || [ $((now - last)) -ge "$deadline" ]; then break; fi
    if [ -d "$beats/over" ] && [ -z "$(entries)" ]; then break; fi
    sleep "$pause"
done
gone && { rm -rf -- "$own"; exit 0; }
mkdir -p -- "$beats/over"
rounds=$limit
while [ "$rounds" -gt 0 ]; do
    replay
    [ -n "$left" ] || break
    rounds=$((rounds - 1))
    sleep "$between"
done
# A change that had begun before it was over is in the journal by then.
sleep "$between"
replay
rm -rf -- "$beats" "$own"
rmdir -- "${beats%/*}" 2>/dev/null
"""
_LATE = "one that is over, but what it has stopped is still being started again"
# Who holds the host is alone: watches of others are none any more, as after the power was lost.
_SET = """\
umask 077
if command -v flock >/dev/null; then
    command exec 7<"$place" || exit 1
    left=$wait
    while flock -n 7; came=$?; [ "$came" -eq 1 ]; do
        if (whose "${beats%/*/*}" "$beats"); then exit BUSY; fi
        if [ "$left" -le 0 ]; then
            for over in "${beats%/*/*}"/watch-*/beats/over; do
                if [ -d "$over" ] && ours "${over%/over}"; then nobody=$late; fi
            done
            printf -- '- %s\\n' "$nobody"
            exit BUSY
        fi
        left=$((left - 1))
        sleep 1
    done
    if [ "$came" -eq 0 ]; then
        for other in "${beats%/*/*}"/watch-* "${own%/*}"/watch-*; do
            if [ "${other##*/}" = "${own##*/}" ]; then continue; fi
            if [ -d "$other/beats" ] && ! ours "$other/beats"; then continue; fi
            rm -rf -- "$other"
        done
    fi
fi
mkdir -p -- "$own" || exit 1
printf '%s' "$program" >"$own/watch" || exit 1
setsid /bin/sh "$own/watch" </dev/null >/dev/null 2>&1 3>&- 4>&- 8>&- 9>&- &
""".replace("BUSY", str(BUSY))
_BEATS = """\
umask 077
mkdir -p -- {beats} && printf 'begun\\n' >{beats}/beat && uname -n >{beats}/machine || exit 1
printf '%s\\n' {whose} >{beats}/whose || exit 1
cd -- {beats} && pwd -P
"""
_RENEW = """\
cd -- "$0" || exit 1
while read -r beat; do
    printf '%s\\n' "$beat" >beat.part && mv -f beat.part beat
    if [ -e over ]; then
        echo "over $(head -c 300 over/by 2>/dev/null | head -n 1)"
    elif command -v flock >/dev/null && flock -ns "$1" true 2>/dev/null; then
        echo 'over its watch there has ended, as when the host is started anew'
    else
        echo renewed
    fi
done
"""
_CUT = """\
for beats in {folder}/watch-*/beats; do
    ours "$beats" && mkdir -- "$beats/over" 2>/dev/null && printf '%s\\n' {by} >"$beats/over/by"
done
exit 0
"""


def beats(folder: str, whose: str) -> str:
    """Shell text that makes the folder that the controller's beats come to, and says where it is.

    `whose`: told to whoever finds the host held.
    """
    return _BEATS.format(beats=path(folder), whose=shlex.quote(" ".join(whose.split())[:200]))


def watch(own: str, beats_at: str, journal: str, run: str, deadline: int, place: str) -> str:
    """Shell text that sets the watch; it ends with BUSY where another run holds the host.

    `own`: its folder; `journal`: where its entries are, a word of shell already; `place`: what it holds.
    """
    values = {
        "beats": beats_at,
        "own": own,
        "run": run,
        "deadline": str(deadline),
        "pause": str(PAUSE),
        "limit": str(ROUNDS),
        "between": str(ROUND_SECONDS),
    }
    program = given(values) + f"journal={journal}\n" + started() + _WATCH
    known = {"own": own, "program": program, "beats": beats_at, "place": place}
    return given({**known, "wait": str(HELD_SECONDS), "nobody": NOBODY, "late": _LATE}) + functions() + _SET


def renewing(folder: str, place: str) -> tuple[str, ...]:
    """A program that writes each line it is sent as a beat, and answers whether it is over, and why if that is known.

    `place`: what the watch holds.
    """
    return ("/bin/sh", "-c", _RENEW, folder, place)


def cut(folder: str, by: str) -> str:
    """Shell text that ends all runs whose watches are in a folder: they may change nothing more. `by`: told to them."""
    return functions() + _CUT.format(folder=path(folder), by=shlex.quote(" ".join(by.split())[:250]))


def not_over(beats_at: str) -> str:
    """Shell text that fails where the watch has begun to put back: nothing may be changed any more."""
    return f"[ -d {path(beats_at)} ] && [ ! -e {path(beats_at)}/over ] || {{ echo 'the watch is over'; exit 1; }}\n"


def dismissed(beats_at: str) -> str:
    """Shell text that ends the watch, as there is nothing left to put back."""
    return f"rm -rf -- {path(beats_at)}; rmdir -- {path(posixpath.dirname(beats_at))} 2>/dev/null; true\n"


def released(beats_at: str) -> str:
    """Shell text that has the watch put back at once what is left, for as long as that takes."""
    return f"printf 'release\\n' >{path(beats_at)}/beat\n"
