"""What is done to a head, and what undoes it, as shell: containers stopped and started, a trial's project up and gone.

Undone is what these texts say to put back, not what was done: each may run twice, after a change that was cut off, by
whoever finds it in the journal (the controller, `fleet restore`, or the watch on the host), and needs no Compose.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fleet.model.bento import BentoSettings
from fleet.model.playbook import Undo
from fleet.plan.bento.asking import project
from fleet.plan.bento.containers import Container
from fleet.plan.shell.journal import started
from fleet.plan.shell.quoting import path
from fleet.plan.steps.fragments import SBIN, WRITE, given, words

BROKERS_GRACE = 3 * 3600.0
"""Seconds that a broker gets to finish its orders, however little its container says: cut short it loses its stake."""
STILL_ENDING = 75
"""The exit status of an undo that has to wait for what was told to end: it has to be tried again."""
_PATIENCE = 3
"""Seconds that an undo waits for what was told to end."""

# Told to end in the background: a broker may take hours, and a lost connection must not matter. Who tells it is noted
# by process and tick, so that an undo knows whether it has still to wait.
_STOP = """\
while [ $# -gt 0 ]; do
    setsid docker stop -t "$2" "$1" </dev/null >/dev/null 2>&1 3>&- 4>&- 8>&- 9>&- &
    started $!
    printf '%s %s\\n' $! "$tick" >"$marks/$1"
    shift 2
done
"""
_ENDING = """\
ending() {
    { [ -r "$marks/$1" ] && read -r pid since <"$marks/$1"; } 2>/dev/null || return 1
    started "$pid"
    [ -n "$since" ] && [ "$tick" = "$since" ]
}
"""
_START = """\
left={patience}
for id do
    while ending "$id"; do
        [ "$left" -gt 0 ] || {{ echo "it still ends, as it was told to; it is started then"; exit {still}; }}
        left=$((left - 1))
        sleep 1
    done
done
for id do docker start "$id" >/dev/null || exit 1; done
"""
_RUNNING = """\
for id do
    case $(docker inspect --format '{{.State.Status}}' "$id" 2>&1) in
    running | restarting) ;;
    *) echo "$id does not run"; exit 1 ;;
    esac
done
"""
_UNITS_STOP = 'for unit do systemctl stop "$unit" || exit 1; done\n'
_UNITS_START = 'for unit do systemctl start "$unit" || exit 1; done\n'
_UNITS_LOOK = 'for unit do systemctl -q is-active "$unit" || { echo "$unit does not run"; exit 1; }; done\n'

# Agents hold nothing that would take long to end, and the operator's have to be gone before others claim tasks.
_UP = """\
mkdir -p -- "$folder" && chmod 700 "$folder" && write_file "$folder/override.yml" 0600 "$override" || exit 1
for id in $aside; do docker stop "$id" >/dev/null & done
wait
compose "$@" -f "$folder/override.yml" up -d --no-deps --no-build $services 2>&1 |
    grep -v -e level=warning -e ' Crea[a-z]*$' -e ' Start[a-z]*$' -e '\\.\\.\\. $' | tail -n 20 >"$folder/said"
for service in $services; do
    filter="label=com.docker.compose.service=$service"
    [ -n "$(docker ps -q --filter "label=com.docker.compose.project=$trial" --filter "$filter")" ] && continue
    cat -- "$folder/said"; echo "service $service did not come up"; exit 1
done
"""
_DOWN = """\
label=label=com.docker.compose.project=$trial
ids=$(docker ps -aq --filter "$label") && nets=$(docker network ls -q --filter "$label") || exit 1
volumes=$(docker volume ls -q --filter "$label") || exit 1
# shellcheck disable=SC2086 # words
if [ -n "$ids" ]; then docker rm -f $ids >/dev/null || exit 1; fi
# shellcheck disable=SC2086 # words
if [ -n "$nets" ]; then docker network rm $nets >/dev/null || exit 1; fi
# Compose v1 makes volumes that nobody asked for; the operator's have his project's label.
# shellcheck disable=SC2086 # words
if [ -n "$volumes" ]; then docker volume rm $volumes >/dev/null || exit 1; fi
rm -rf -- "$folder"
for id in $aside; do docker start "$id" >/dev/null || exit 1; done
"""
_GONE = """\
[ ! -e "$folder" ] || exit 1
[ -z "$(docker ps -aq --filter "label=com.docker.compose.project=$trial")" ] || exit 1
set -- $aside
"""
_CHECK = """\
folder=$(mktemp -d) || exit 1
trap 'rm -rf -- "$folder"' EXIT
write_file "$folder/override.yml" 0600 "$override" || exit 1
said=$(compose "$@" -f "$folder/override.yml" config -q 2>&1) && exit 0
printf '%s\\n' "$said" | grep -v level=warning | head -n 5
exit 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that is done to the head and put back. `step` and `summary`: what people read of it.

    `marks`: the script finds, in "$marks", a folder that its undo finds, too. `look` succeeds when all is as before.
    """

    step: str
    summary: str
    script: str
    undo: Undo
    look: str


def stopped(rivals: Sequence[Container], patience: Sequence[float], summary: str) -> Change:
    """The containers told to end, each with its own patience in seconds; undone, they run again."""
    ids = [one.id for one in rivals]
    pairs = [word for one, wait in zip(rivals, patience, strict=True) for word in (one.id, str(math.ceil(wait)))]
    marks = SBIN + "marks=$kept\n"
    return Change(
        step="isolate",
        summary=summary,
        script=f"{marks}{started()}set -- {words(pairs)}\n{_STOP}",
        undo=Undo(
            script=f"{marks}{started()}{_ENDING}set -- {words(ids)}\n"
            + _START.format(patience=_PATIENCE, still=STILL_ENDING)
        ),
        look=f"{SBIN}set -- {words(ids)}\n{_RUNNING}",
    )


def stopped_units(units: Sequence[str], summary: str) -> Change:
    """The units of systemd stopped; undone, they run again."""
    chosen = f"{SBIN}set -- {words(units)}\n"
    return Change(
        step="isolate",
        summary=summary,
        script=chosen + _UNITS_STOP,
        undo=Undo(script=chosen + _UNITS_START),
        look=chosen + _UNITS_LOOK,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A trial's project: its name, where its override lies, what is in it, and whom it sets aside."""

    settings: BentoSettings
    project: str
    folder: str
    override: str
    services: tuple[str, ...]
    aside: tuple[Container, ...]


def configured(trial: Trial, summary: str) -> Change:
    """The operator's agents stopped, the trial's up; undone, those are gone and these, the same containers, run."""
    aside = " ".join(one.id for one in sorted(trial.aside, key=lambda one: one.started))
    values = given({"trial": trial.project, "aside": aside, "services": " ".join(trial.services)})
    place = f"{SBIN}folder={path(trial.folder)}\n{values}"
    # Compose v1 takes a second -p for a wish for help.
    ready = (
        project(replace(trial.settings, project=trial.project)) + place + given({"override": trial.override}) + WRITE
    )
    # Compose, having changed into the project's folder, must find this one still.
    home = "home=$(pwd)\n"
    absolute = "case $folder in /*) ;; *) folder=$home/$folder ;; esac\n"
    return Change(
        step="configure",
        summary=summary,
        script=home + ready + absolute + _UP,
        undo=Undo(script=place + _DOWN),
        look=place + _GONE + _RUNNING,
    )


def check(settings: BentoSettings, override: str) -> str:
    """Shell text that has Compose read the override over the operator's files, and leaves nothing behind."""
    return project(settings) + given({"override": override}) + WRITE + _CHECK


def states(ids: Sequence[str]) -> str:
    """Shell text that says how containers are, a line each."""
    return f"{SBIN}docker inspect --format '{{{{.Id}}}} {{{{.State.Status}}}}' {words(ids)} 2>/dev/null\nexit 0\n"
