"""Text on its way into a POSIX shell, and text that came out of one."""

from __future__ import annotations

import re
import shlex

BRIEF_LIMIT = 4 * 2**10
"""Bytes kept, from the end, of what a program that is not ours says."""

_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])?")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def path(text: str) -> str:
    """A path on a host as one shell word: absolute, or relative to the user's home. ValueError for what is none."""
    if not text or re.search(r"[\x00-\x1f\x7f]", text):
        raise ValueError(f"{text!r} is no path: it is empty or has control characters")
    if text.startswith("~"):
        raise ValueError(f"`{text}`: write the path without ~, it is relative to the user's home anyway")
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def tame(text: str, limit: int = BRIEF_LIMIT) -> str:
    """What a host said, fit for a screen: no escape sequences, no control characters, its last `limit` characters."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    plain = _CONTROL.sub("", _ESCAPE.sub("", lines)).strip()
    return plain if len(plain) <= limit else f"… {plain[-limit:]}"
