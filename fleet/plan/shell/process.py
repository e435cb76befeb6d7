"""PURE. Whether the shell that makes a change goes on, as shell."""

from __future__ import annotations

# A process that is no zombie, by its number and the tick it was started at, which no later one of that number shares.
# `started` sets `tick`, to nothing where there is no such process. A shell reads a file without starting a program.
RUNS = """\
started() {{
    tick=
    {{ read -r stat <"/proc/$1/stat"; }} 2>/dev/null || return 0
    set -- ${{stat##*) }}
    [ "$1" = Z ] || tick=${{20}}
}}
still_runs() {{
    pid= since=
    if [ -f "$1" ]; then read -r word at pid since <"$1"; elif [ -r "$1/by" ]; then read -r pid since <"$1/by"; fi
    [ -n "$since" ] && [ "$pid" != "$$" ] && started "$pid" && [ "$tick" = "$since" ]
}}
"""
"""`still_runs ENTRY`: whether the shell that made a change (a folder of the journal, or a page of it) goes on.

Braces are doubled: it is part of what is filled in.
"""
