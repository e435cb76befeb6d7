"""Host names as Ansible's inventories write them: ranges such as `node[01:16]`, and a port after the name.

Follows ansible-core 2.19 (`parsing/utils/addresses.py` and `plugins/inventory/__init__.py`): whatever is no address
with a port is taken as a name as it stands.
"""

from __future__ import annotations

import ipaddress
import re
import string
from collections.abc import Iterator, Sequence

from fleet.codec.foreign.value import MAX_HOSTS

_LONGEST = 255
_BRACKETED = re.compile(r"\[(.+)\]:([0-9]{1,9})\Z")
_WITH_PORT = re.compile(r"((?:[^:\[\]]|\[[^\]]*\])*):([0-9]{1,9})\Z")
_RANGE = r"\[(?:[a-z]:[a-z]|[0-9]+:[0-9]+)(?::[0-9]+)?\]"
_LABEL = rf"(?:\w|{_RANGE})(?:[\w-]|{_RANGE})*(?<![_-])"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\Z", re.IGNORECASE)
_HEX_RANGE = re.compile(r"\[[0-9a-f]+:[0-9a-f]+(?::[0-9]+)?\]", re.IGNORECASE)


def expand(pattern: str) -> tuple[tuple[str, ...], int | None]:
    """The names that a pattern stands for, and the port written after it. ValueError says what is wrong with it."""
    if len(pattern) > _LONGEST:
        raise ValueError(f"a host name has up to {_LONGEST} characters")
    name, port = _split(pattern)
    names: list[str] = []
    for found in _expanded(name):
        if len(names) == MAX_HOSTS:
            raise ValueError(f"stands for more than {MAX_HOSTS:,} hosts")
        names.append(found)
    return tuple(names), port


def _split(pattern: str) -> tuple[str, int | None]:
    name, port = pattern, None
    for form in (_BRACKETED, _WITH_PORT):
        if match := form.match(name):
            name, port = match[1], int(match[2])
    if _NAME.match(name) or is_address(name):
        return name, port
    if pattern.rstrip().endswith(":"):
        raise ValueError("a colon at the end: a port should follow")
    return pattern, None


def is_address(text: str) -> bool:
    """Whether it is an IP address, with a range in it perhaps."""
    try:
        ipaddress.ip_address(_HEX_RANGE.sub("0", text))
    except ValueError:
        return False
    return "%" not in text


def _expanded(name: str) -> Iterator[str]:
    if "[" not in name:
        yield name
        return
    parts = name.replace("[", "|", 1).replace("]", "|", 1).split("|")
    if len(parts) != 3:  # noqa: PLR2004 (before, inside and after the brackets)
        raise ValueError("expected a range such as [01:16] between brackets")
    head, inside, tail = parts
    for item in _range(inside):
        yield from _expanded(f"{head}{item}{tail}")


def _range(text: str) -> Sequence[str] | Iterator[str]:
    first, last, step = _bounds(text)
    width = len(first) if len(first) > 1 and first.startswith("0") else 0
    if width and width != len(last):
        raise ValueError(f"the ends of the range [{text}] differ in length")
    letters = string.ascii_letters
    if len(first) == len(last) == 1 and first in letters and last in letters:
        if letters.index(first) > letters.index(last):
            raise ValueError(f"the range [{text}] runs backwards")
        return letters[letters.index(first) : letters.index(last) + 1 : step]
    try:
        numbers = range(int(first), int(last) + 1, step)
    except ValueError:
        raise ValueError(f"expected a range such as [01:16], found [{text}]") from None
    return (str(number).zfill(width) for number in numbers)


def _bounds(text: str) -> tuple[str, str, int]:
    bounds = text.split(":")
    first, last = bounds[0] or "0", bounds[1] if len(bounds) > 1 else ""
    step = bounds[2] if len(bounds) == 3 else "1"  # noqa: PLR2004 (begin, end and step)
    if len(bounds) > 3 or not last or not re.fullmatch(r"[0-9]{1,9}", step) or int(step) == 0:  # noqa: PLR2004 (likewise)
        raise ValueError(f"expected a range such as [01:16] or [0:30:2], found [{text}]")
    return first, last, int(step)
