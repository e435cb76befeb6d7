"""A compose file as Compose shows it, without what may be secret: that is kept as a reference to where it stands.

Compose fills in more than it is asked to: its first generation the values of `env_file` and of variables that are only
named, the second everything where it cannot show a file otherwise (one variable in a mount's path is enough). So
`env_file` is hidden from it under another name, and variables that may be secret are given marks, as an environment
goes before an env file; where a mark comes back, the variable was. So neither passwords nor keys are in what it says,
nor in an override that is made of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from fleet.plan.bento.secrecy import SECRETIVE

ENV_FILE = "x-fleet-env_file"
"""What `env_file` is called where Compose must not read it: a service may have any part whose name begins so.

Its second generation writes such parts as YAML only.
"""

MARKED = f"""\
aside() {{ sed 's/\\<env_file\\>\\(["'\\'']\\{{0,1\\}}[[:space:]]*:\\)/{ENV_FILE}\\1/g' "$compose_file"; }}
names=$(grep -oE '[A-Za-z_][A-Za-z0-9_]*' "$compose_file" | sort -u | grep -iE '{SECRETIVE}' | head -n 200)
for name in $names; do
    export "$name=$nonce-$name-"
done
for how in --no-interpolate ''; do
    # Not told to leave variables open, Compose shows what is in env files that it comes to by another file, too.
    if [ -z "$how" ]; then
        plain=$(tr -d '\\042\\047' <"$compose_file")
        others=$(printf '%s' "$plain" | grep -oE '(^|[[:space:]{{,])file *: *[^],}}[:space:]]+' | sed 's/.*file *: *//')
        printf '%s' "$plain" | grep -q extends || others=
        printf '%s' "$plain" | grep -qE '(^|[{{,]) *include *:' && others=$compose_file
        for file in $others; do
            case $file in
            "$compose_file" | *'$'*) ;;
            *) grep -qE 'env_file|extends' "$file" 2>/dev/null || continue ;;
            esac
            compose --profile '*' -f "$compose_file" "$@" config -q >/dev/null 2>&1 || break 2
            echo "$compose_file may come by other files to an env_file, and this Compose would show what is in that:"
            echo "name it in $compose_file itself, or use a newer Compose"
            exit 1
        done
    fi
    # shellcheck disable=SC2086 # words
    said=$(aside | compose --profile '*' -f - "$@" config $how 2>/dev/null) || continue
    for name in $names; do
        written=$(grep -oE "(^|[^$])[$][{{]$name([:?+-]([^{{}}]|[{{][^{{}}]*[}}])*)?[}}]" "$compose_file" | head -n 1)
        [ -n "$written" ] || ! grep -qE "(^|[^$])[$]$name" "$compose_file" || written="\\${{$name}}"
        printf '=%s %s\\n' "$name" "${{written#[!$]}}"
    done
    printf '%s\\n' "$said"
    exit 0
done
for name in $names; do unset "$name"; done
"""
"""Shell text that says the project with marks: `=NAME` and how the file writes the variable, a line each, before it.

A variable that the file only names, for Compose to take from where it runs, is written in no way. "$@": Compose's
options but for the file, `$compose_file`.
"""


def marks(said: str) -> tuple[Mapping[str, str], str]:
    """How each marked variable is written in the file (empty: only named), and what Compose said after these lines."""
    found: dict[str, str] = {}
    while said.startswith("="):
        first, _, said = said.partition("\n")
        name, _, written = first[1:].partition(" ")
        found[name] = written
    return found, said


def opened(value: object, nonce: str, written: Mapping[str, str]) -> object:
    """The project with its marked variables open again, as the file writes them, and `env_file` by its own name."""
    match value:
        case str():
            text = re.sub(rf"{nonce}-(\w+)-", lambda mark: written.get(mark[1]) or f"${{{mark[1]}}}", value)
            return text.replace(ENV_FILE, "env_file")
        case list():
            return [opened(item, nonce, written) for item in value]
        case dict():
            return {
                _plain(name): None if _only_named(name, inner, nonce, written) else opened(inner, nonce, written)
                for name, inner in _together(value).items()
            }
        case _:
            return value


def _together(part: Mapping[str, object]) -> Mapping[str, object]:
    """A service's env files in one list: those of what it extends, which keep their name, before its own."""
    if not {ENV_FILE, "env_file"} <= part.keys():
        return part
    both = (each for name in ("env_file", ENV_FILE) for each in _listed(part[name]))
    return {**{name: inner for name, inner in part.items() if name != ENV_FILE}, "env_file": [*both]}


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _only_named(name: object, value: object, nonce: str, written: Mapping[str, str]) -> bool:
    """Whether a service takes a variable from where Compose runs, by its name alone."""
    return value == f"{nonce}-{name}-" and not written.get(str(name))


def _plain(name: object) -> object:
    return name.replace(ENV_FILE, "env_file") if isinstance(name, str) else name
