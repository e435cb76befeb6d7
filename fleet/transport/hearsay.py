"""What a host said, made fit for a message or a screen: it may be binary, full of escape sequences, or endless."""

from __future__ import annotations

import re

_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])?")


def hearsay(data: bytes, limit: int) -> str:
    """The last `limit` characters as text: no escape sequence, nothing that does not print but line ends."""
    text = _ESCAPE.sub("", data.decode("utf-8", "replace")).replace("\r", "\n")
    return "".join(char for char in text if char.isprintable() or char == "\n").strip()[-limit:]


def in_brief(data: bytes) -> str:
    """The end of it on one line, for an error message."""
    return " ".join(hearsay(data, 300).split())
