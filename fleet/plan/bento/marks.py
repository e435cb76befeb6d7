"""A compose file whose variables Compose has to fill in before it shows it: those that may be secret stay open.

Compose cannot show every file with its variables left open: one in a mount's path is enough. Then it is given marks in
place of what may be secret, as an environment goes before an env file; where a mark comes back, the variable was.
So neither passwords nor keys are in what it says, nor in an override that is made of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from fleet.plan.bento.secrecy import SECRETIVE

MARKED = f"""\
names=$(grep -oE '\\$\\{{?[A-Za-z_][A-Za-z0-9_]*' "$compose_file" | tr -d '${{' | sort -u)
names=$(printf '%s\\n' "$names" | grep -iE '{SECRETIVE}' | head -n 100)
for name in $names; do
    export "$name=$nonce-$name-"
done
# shellcheck disable=SC2086 # words
if said=$(compose --profile '*' "$@" config $json 2>/dev/null); then
    for name in $names; do
        written=$(grep -oE "(^|[^$])[$][{{]$name([:?+-]([^{{}}]|[{{][^{{}}]*[}}])*)?[}}]" "$compose_file" | head -n 1)
        printf '=%s %s\\n' "$name" "${{written#[!$]}}"
    done
    printf '%s\\n' "$said"
    exit 0
fi
for name in $names; do unset "$name"; done
"""
"""Shell text that says the project with marks: `=NAME` and how the file writes the variable, a line each, before it."""


def marks(said: str) -> tuple[Mapping[str, str], str]:
    """How each marked variable is written in the file, and what Compose said after these lines."""
    found: dict[str, str] = {}
    while said.startswith("="):
        first, _, said = said.partition("\n")
        name, _, written = first[1:].partition(" ")
        found[name] = written or f"${{{name}}}"
    return found, said


def opened(value: object, nonce: str, written: Mapping[str, str]) -> object:
    """The project with its marked variables open again, as the file writes them."""
    match value:
        case str():
            return re.sub(rf"{nonce}-(\w+)-", lambda mark: written.get(mark[1], f"${{{mark[1]}}}"), value)
        case list():
            return [opened(item, nonce, written) for item in value]
        case dict():
            return {name: opened(item, nonce, written) for name, item in value.items()}
        case _:
            return value
