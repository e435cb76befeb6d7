"""Pieces of shell that several kinds of step are made of, and values handed to them as variables.

A script is `given({...})` followed by text that has no placeholders of its own: what is quoted is quoted here once, and
the text can be read, and run, as it stands.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping

# A login's PATH may lack the folders of the administrator's programs.
SBIN = "PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin\n"

WRITE = """\
# write_file PATH MODE TEXT: a reader sees the old file or the new one, never half of one.
write_file() {
    part=$1.part.$$
    umask 077
    if ! { printf '%s' "$3" >"$part" && chmod "$2" "$part" && mv -f -- "$part" "$1"; }; then
        rm -f -- "$part"
        return 1
    fi
}
"""

KEEP = """\
# keep_file NAME PATH: what is there is kept under that name; nothing, where nothing is there.
keep_file() {
    if [ -e "$2" ] || [ -L "$2" ]; then cp -pP -- "$2" "$kept/$1"; fi
}
"""

PUT_BACK = """\
# put_back NAME PATH: the file as `keep_file` found it; none, where there was none.
put_back() {
    if [ -e "$kept/$1" ] || [ -L "$kept/$1" ]; then
        cp -pP -- "$kept/$1" "$2.part.$$" && mv -f -- "$2.part.$$" "$2"
    else
        rm -f -- "$2"
    fi
}
"""

KEEP_ACCOUNT = """\
# keep_account NAME: a user's or group's own lines in the files of accounts.
keep_account() {
    for file in passwd shadow group gshadow subuid subgid; do
        grep "^$1:" "/etc/$file" >"$kept/$file" 2>/dev/null
    done
    return 0
}
"""

ACCOUNT_BACK = """\
# account_back NAME: what `keep_account` found, where the files have no such line.
account_back() {
    for file in passwd shadow group gshadow subuid subgid; do
        if [ -s "$kept/$file" ] && ! grep -q "^$1:" "/etc/$file"; then cat "$kept/$file" >>"/etc/$file" || return 1; fi
    done
}
"""

AT_LEAST = """\
# at_least FOUND WANTED: versions, compared number by number.
at_least() {
    printf '%s\\n%s\\n' "$1" "$2" | awk -F'[^0-9]+' '
        NR == 1 { for (i = 1; i <= 4; i++) found[i] = $i + 0 }
        NR == 2 { for (i = 1; i <= 4; i++) if (found[i] != $i + 0) { less = found[i] < $i + 0; break } }
        END { exit less }'
}
"""


def given(values: Mapping[str, str]) -> str:
    """Lines that set shell variables. ValueError for a value with a zero byte, which no shell can carry."""
    for name, value in values.items():
        if "\0" in value:
            raise ValueError(f"the {name} has a zero byte, which no shell can carry")
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def words(items: Iterable[str]) -> str:
    """The items as words of a command."""
    return " ".join(shlex.quote(item) for item in items)


def count(number: int, noun: str) -> str:
    """`1 file`, `3 files`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
