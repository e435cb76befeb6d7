"""What helps when a step has failed, by what the host said."""

from __future__ import annotations

import re

_BUNDLE = "`fleet bundle` brings what it needs"
_HINTS = (
    # dash's own words for a full disk end in `printf: I/O error`.
    (r"No space left on device|disk is full|printf: I/O error", "free some space on that file system"),
    (r"Read-only file system", "the file system is mounted read-only: look at `dmesg`, is the disk failing?"),
    (r"Could not get lock|is another process using it|Waiting for cache lock", "another apt runs there: wait for it"),
    (r"dpkg was interrupted", "run `sudo dpkg --configure -a` there, then provision again"),
    (
        r"Temporary failure (in name resolution|resolving)|Could not resolve|Name or service not known",
        f"it resolves no names: is it without internet? {_BUNDLE}",
    ),
    (r"Network is unreachable|No route to host|Connection timed out", f"it reaches no internet: {_BUNDLE}"),
    (
        r"No matching distribution|Could not find a version",
        "no index has it for that Python: see the host's `python:`",
    ),
    (r"ensurepip is not|No module named '?(venv|ensurepip)", "install python3-venv there"),
    (r"a password is required|a terminal is required", "sudo asks for a password: -K, or `sudo_password_command`"),
    (
        r"[Pp]ermission denied|Operation not permitted|must be (run as )?root|superuser|are you root",
        "the user may not do that: does the step need `sudo: true`, and the host `sudo: true` in the inventory?",
    ),
    (r"command not found|: not found", "a program that it needs is not there: install it by an earlier step"),
    (r"Cannot allocate memory|[Kk]illed|out of memory", "the host ran out of memory"),
)


def hint(said: str) -> str:
    """What to do about it; empty where nothing better than the host's own words is known."""
    return next((cure for pattern, cure in _HINTS if re.search(pattern, said)), "")
