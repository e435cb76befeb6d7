"""A Compose project is up: its services run, made from its files as they are now.

Compose itself says whether the files are valid and what a service made from them would be (its hash); the engine says
what runs. Compose v2 tells that hash before it has read a service's `env_file`, and gives its containers the one after:
this it tells of the files as it renders them. Undo: services that were not there are taken away, those that stood still
are stopped; volumes stay. What was made anew from changed files is made from the old ones again, late: once the steps
before this one have put these back.
"""

from __future__ import annotations

import re

from fleet.errors import ProvisionError
from fleet.model.playbook import Change, Undo
from fleet.model.stacksteps import ComposeStep
from fleet.plan.shell.program import Answer
from fleet.plan.shell.quoting import path, tame
from fleet.plan.steps.fragments import given, words

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_PROJECT = re.compile(r"[a-z0-9][a-z0-9_-]*")
_STATE = re.compile(r"service ([a-zA-Z0-9][a-zA-Z0-9_.-]*) (up|stopped|stale|none)")

_COMPOSE = """\
if docker compose version >/dev/null 2>&1; then compose() {{ docker compose "$@"; }}
elif command -v docker-compose >/dev/null; then compose() {{ docker-compose "$@"; }}
else echo 'compose none'; exit {status}
fi
cd -- "$directory" 2>/dev/null || {{ echo 'directory absent'; exit {status}; }}
"""
# Who names a service means it, whatever profile it is behind: `up` would activate that, but no other command does.
_PROFILES = """\
COMPOSE_PROFILES=$(compose "$@" config --profiles 2>/dev/null | paste -sd, -)
export COMPOSE_PROFILES
"""
# Who is behind another profile (a broker) is none of the step's: `active` are those that are not.
_ACTIVE = """\
active=$(compose "$@" config --hash '*' 2>/dev/null | awk '{ printf "%s ", $1 }')
"""
_RENDERED = """\
rendered() { compose "$@" config 2>/dev/null | compose -p "$project" -f - config --hash '*' 2>/dev/null; }
"""
_QUESTION = """\
for file in "$@"; do
    if [ ! -f "$file" ]; then printf 'file %s\\n' "$file"; exit 1; fi
done
if [ -n "$env_file" ] && [ ! -f "$env_file" ]; then printf 'file %s\\n' "$env_file"; exit 1; fi
"""
_ASK = """\
said=$(compose "$@" config -q 2>&1) || { printf 'invalid\\n%s\\n' "$said" | tail -c 2000; exit 1; }
label=com.docker.compose
row="{{.Label \\"$label.service\\"}} {{.State}} {{.Label \\"$label.config-hash\\"}}"
rows=$(docker ps -a --filter "label=$label.project=$project" --format "$row" 2>&1) ||
    { printf 'engine\\n%s\\n' "$rows" | tail -c 2000; exit 1; }
hashes=$(compose "$@" config --hash '*' 2>/dev/null) || { echo 'hashes none'; exit 1; }
judge() { printf '%s\\n=\\n%s\\n' "$rows" "$hashes" | awk -v wanted="$services" -v active="$active" '
    BEGIN {
        count = split(wanted, list, " "); for (i = 1; i <= count; i++) asked[list[i]] = 1
        for (i = split(active, list, " "); i > 0; i--) on[list[i]] = 1
    }
    $1 == "=" { second = 1; next }
    !second && $2 == "running" { runs[$1] = 1; if ($3 != "") hash[$1] = $3 }
    !second { there[$1] = 1 }
    second && NF == 2 {
        if (!($1 in state)) order[++services] = $1
        if ($1 in runs && state[$1] != "up") state[$1] = hash[$1] == $2 ? "up" : "stale"
        if (!($1 in runs)) state[$1] = $1 in there ? "stopped" : "none"
    }
    END {
        for (i = 1; i <= services; i++) {
            name = order[i]
            if (count && !(name in on) && !(name in asked)) continue
            if (state[name] != "up" && (count == 0 || name in asked)) wrong = 1
            print "service", name, state[name]
            delete asked[name]
        }
        for (name in asked) { print "unknown", name; wrong = 1 }
        exit wrong
    }'
}
found=$(judge)
came=$?
case $found in *' stale'*)
    hashes=$(printf '%s\\n' "$hashes"; rendered "$@")
    found=$(judge)
    came=$?
esac
printf '%s\\n' "$found"
exit "$came"
"""

# Where nothing could be asked before: what there was is seen just before the change.
_KEEP = """\
docker ps -aq --filter "label=com.docker.compose.project=$project" >"$kept/there" 2>/dev/null
"""
_DOWN = """\
if [ -s "$kept/there" ]; then briefly compose "$@" rm -s -f {services}; else
{all}fi
"""
_ALL_GONE = 'briefly compose "$@" down\n'
# The others that came along go, too, but none that was started since behind a profile.
_GONE = """\
briefly compose "$@" rm -s -f {services} || exit 1
unset COMPOSE_PROFILES
briefly compose "$@" down
"""
# The journal may lie below the user's home, which is left for the project's folder.
_KEPT = "case $kept in /*) ;; *) kept=$PWD/$kept ;; esac\n"
# What Compose is about to make services from is what they must not be made from afterwards.
_KEEP_HASHES = """\
{ compose "$@" config --hash '*' 2>/dev/null; rendered "$@"; } >"$kept/hashes"
[ -s "$kept/hashes" ]
"""
_MADE_AGAIN = """\
gone() {{
    # shellcheck disable=SC2046 # ids
    set -- $(docker ps -aq --filter "label=com.docker.compose.project=$project" \\
        --filter "label=com.docker.compose.service=$1")
    [ "$#" -eq 0 ] || briefly docker rm -f "$@"
}}
for one in {new}; do gone "$one" || exit 1; done
hashes=$(compose "$@" config --hash '*' 2>&1) || {{ printf '%s\\n' "$hashes" | tail -c 2000; exit 1; }}
hashes=$(printf '%s\\n' "$hashes"; rendered "$@")
for one in {stale}; do
    if ! printf '%s\\n' "$hashes" | grep "^$one " | grep -qvxF -f "$kept/hashes"; then
        echo "the files that $one was made from are not back: bring them back, then restore again"
        exit 1
    fi
done
briefly compose "$@" up -d --no-deps {stale} || exit 1
"""
_MISSING = frozenset({"compose", "directory", "file", "engine"})
"""What the question says where an earlier step may have to come first."""


def question(step: ComposeStep) -> str:
    """Says what is missing or `invalid`, or each service's state: `up`, `stale` (of other files), `stopped`, `none`."""
    path(step.directory)
    if not _PROJECT.fullmatch(step.project):
        raise ValueError(f"`{step.project[:40]}` is no Compose project: expected small letters, digits, - and _")
    if not step.files:
        raise ValueError("`files` is empty")
    for service in step.services:
        if not _NAME.fullmatch(service):
            raise ValueError(f"`{service[:40]}` is no service: expected letters, digits, . - and _")
    files = words(path_word(file) for file in step.files)
    there = _values(step) + _COMPOSE.format(status=1) + f"set -- {files}\n" + _QUESTION
    return there + _options(step, before=_ACTIVE if step.services else "active=\n") + _RENDERED + _ASK


def change(step: ComposeStep, answer: Answer) -> Change:
    """Bring the services up. ProvisionError where the files are wrong."""
    first, _, rest = answer.text.strip().partition("\n")
    word = first.partition(" ")[0]
    if word == "invalid":
        raise ProvisionError("Compose does not understand the project's files", hint=tame(rest, 1000))
    if word in _MISSING:
        # An earlier step may bring it: the change says what is missing, if it still is.
        services = ", ".join(step.services) or "all services"
        return Change(summary=f"bring up {services} of {step.project}", script=_up(step))
    if unknown := re.findall(r"(?m)^unknown ([a-zA-Z0-9_.-]+)$", answer.text):
        raise ProvisionError(f"project {step.project} has no service {', '.join(unknown)}", hint="see its files")
    states = _states(answer)
    wanted = step.services or tuple(states)
    open_ = [f"{name} ({_WORDS[states[name]]})" for name in wanted if states.get(name, "up") != "up"]
    if not open_:
        raise ProvisionError("Compose does not answer as it should", hint=tame(answer.text, 400) or None)
    return Change(summary=f"bring up {', '.join(open_)} of {step.project}", script=_up(step))


def undo(step: ComposeStep, answer: Answer) -> Undo:
    """Take away what was not there, stop what stood still."""
    states = _states(answer)
    # Where there is no project, nothing has come up.
    script = _values(step) + _COMPOSE.format(status=0) + _options(step)
    gone = _GONE.format(services=words(step.services)) if step.services else _ALL_GONE
    if answer.text.partition(" ")[0].strip() in _MISSING:
        return Undo(script=script + _DOWN.format(services=words(step.services), all=gone), keep=_values(step) + _KEEP)
    if not states:
        return Undo(script=None, reason="nothing could be changed")
    if stale := [name for name in step.services or states if states.get(name) == "stale"]:
        fresh = words(name for name, state in states.items() if state == "none")
        again = _KEPT + script + _RENDERED + _MADE_AGAIN.format(new=fresh, stale=words(stale))
        if still := [name for name in step.services or states if states.get(name) == "stopped"]:
            again += f'briefly compose "$@" stop {words(still)} || exit 1\n'
        keep = _KEPT + _values(step) + _COMPOSE.format(status=1) + _options(step) + _RENDERED + _KEEP_HASHES
        return Undo(script=again, keep=keep, late=True)
    if set(states.values()) == {"none"}:
        return Undo(script=script + gone)
    if new := [name for name, state in states.items() if state == "none"]:
        script += f'briefly compose "$@" rm -s -f {words(new)} || exit 1\n'
    if still := [name for name, state in states.items() if state == "stopped"]:
        script += f'briefly compose "$@" stop {words(still)} || exit 1\n'
    return Undo(script=script)


def _up(step: ComposeStep) -> str:
    alone = "--no-deps " if step.alone else ""
    up = f'briefly compose "$@" up -d {alone}{words(step.services)}'.rstrip()
    return f"{_values(step)}{_COMPOSE.format(status=1)}{_options(step)}{up}\n"


_WORDS = {"none": "new", "stopped": "stands still", "stale": "made from other files", "up": "runs"}


def _states(answer: Answer) -> dict[str, str]:
    found = [match for line in answer.text.splitlines() if (match := _STATE.fullmatch(line))]
    return {match[1]: match[2] for match in found}


def path_word(file: str) -> str:
    """A file's name as a word that no program takes for an option. ValueError for what is no path."""
    path(file)
    return f"./{file}" if file.startswith("-") else file


def _options(step: ComposeStep, before: str = "") -> str:
    options = ["-p", step.project]
    for file in step.files:
        options += ["-f", path_word(file)]
    if step.env_file is not None:
        options += ["--env-file", path_word(step.env_file)]
    return f"set -- {words(options)}\n" + before + (_PROFILES if step.services else "")


def _values(step: ComposeStep) -> str:
    return f"directory={path(step.directory)}\n" + given(
        {"project": step.project, "services": " ".join(step.services), "env_file": step.env_file or ""}
    )
