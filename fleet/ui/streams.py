"""What a stream can show."""

from __future__ import annotations

import os
from typing import IO


def can_show_unicode(stream: IO[str]) -> bool:
    """Whether its encoding has the characters that screens are drawn with."""
    return "utf" in (getattr(stream, "encoding", None) or "").lower()


def can_redraw(stream: IO[str]) -> bool:
    """Whether it is a terminal that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM", "dumb").lower() not in {"", "dumb", "unknown"}
