"""The scalars of the files that people write: how each is read from its text, and what it looks like to an editor."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Callable
from typing import Annotated, Any

from fleet.codec.schema import Reads
from fleet.model.inventory import Per, Ports, Price
from fleet.units import parse_bandwidth, parse_bytes, parse_hertz, parse_seconds

_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_PRICE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(once|/\s*hour)\s*\Z")
_PORTS = re.compile(r"\s*([0-9]{1,5})\s*-\s*([0-9]{1,5})\s*\Z")
_LAST_PORT = 65535


def _pattern(pattern: str, expected: str) -> Reads:
    compiled = re.compile(pattern)

    def parse(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(f"expected {expected}")
        return text

    return Reads(parse=parse, json={"type": "string", "pattern": f"^{pattern}$", "description": expected})


def _integer(low: int, high: int, what: str) -> Reads:
    expected = f"{what} from {low:,} to {high:,}"

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", text) or not low <= int(text) <= high:
            raise ValueError(f"expected {expected}")
        return int(text)

    return Reads(parse=parse, json={"type": "integer", "minimum": low, "maximum": high, "description": what})


def _quantity(parser: Callable[[str], float], example: str, *, zero: bool = False) -> Reads:
    expected = f"a quantity such as {example}"

    def parse(text: str) -> float:
        value = parser(text)
        if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
            raise ValueError(f"expected {expected}{'' if zero else ', more than zero'}")
        return value

    return Reads(parse=parse, json={"type": ["string", "number"], "description": expected})


def _url(pattern: str, expected: str) -> Reads:
    """A URL of this form; what was found is shown only where it cannot hold a password."""
    compiled = re.compile(pattern)

    def parse(text: str) -> str:
        if "@" in text and ":" in text.partition("://")[2].rpartition("@")[0]:
            raise ValueError("a password does not belong into an inventory: leave it out, the env file has it")
        if not compiled.fullmatch(text):
            raise ValueError(f"expected {expected}" if "@" not in text else f"is no URL as {expected}")
        return text

    return Reads(parse=parse, json={"type": "string", "pattern": f"^{pattern}$", "description": expected})


def _parse_boolean(text: str) -> bool:
    value = _BOOLEANS.get(text.lower())
    if value is None:
        raise ValueError("expected true or false")
    return value


def _parse_number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise ValueError("expected a number, zero or more")
    return value


def _parse_price(text: str) -> Price:
    match = _PRICE.match(text)
    if match is None:
        raise ValueError("expected a price such as `900 once` or `0.35/hour`")
    return Price(amount=float(match[1]), per=Per.ONCE if match[2] == "once" else Per.HOUR)


def _parse_ports(text: str) -> Ports:
    match = _PORTS.match(text)
    if match is None or not 1024 <= int(match[1]) <= int(match[2]) <= _LAST_PORT:  # noqa: PLR2004 (below are the system's)
        raise ValueError("expected a range of ports such as 20000-20299, from 1024 to 65535")
    return Ports(first=int(match[1]), last=int(match[2]))


def split_words(text: str) -> tuple[str, ...]:
    """A program and its arguments, split as a shell would. ValueError where there is none."""
    try:
        words = tuple(shlex.split(text))
    except ValueError:
        words = ()
    if not words or not words[0] or any(not word.isprintable() for word in words):
        raise ValueError("expected a program and its arguments, such as `pass show fleet/box`; no shell reads it")
    return words


def _parse_positive(text: str) -> float:
    value = _parse_number(text)
    if not value:
        raise ValueError("expected a number above zero")
    return value


Name = Annotated[str, _pattern(r"[a-z0-9][a-z0-9.-]{0,62}", "a name of a–z, 0–9, dots and hyphens")]
FleetName = Annotated[str, _pattern(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,62}", "a name of letters, digits, dots and hyphens")]
Currency = Annotated[str, _pattern(r"[A-Z]{3}", "a currency such as USD")]
Address = Annotated[str, _pattern(r"[A-Za-z0-9:][A-Za-z0-9:._%-]{0,253}", "a host name or an IP address")]
User = Annotated[str, _pattern(r"[A-Za-z_][A-Za-z0-9_.$-]{0,31}", "a user name")]
Path = Annotated[str, _pattern(r"[^\x00-\x1f\x7f-][^\x00-\x1f\x7f]{0,1023}", "a path")]
HeadPath = Annotated[str, _pattern(r"/[^\x00-\x1f\x7f]{1,1023}", "a path on the head, from its root: /…")]
Project = Annotated[str, _pattern(r"[a-z0-9][a-z0-9_-]{0,62}", "a Compose project of a–z, 0–9, - and _")]
DatabaseUrl = Annotated[
    str,
    _url(
        r"postgres(?:ql)?://(?:[A-Za-z0-9_.%-]+@)?(?:[A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?/[A-Za-z0-9_.%-]+",
        "postgresql://worker@127.0.0.1:5432/taskdb, as the head sees it",
    ),
]
ApiUrl = Annotated[
    str,
    _url(
        r"https?://(?:[A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?/?",
        "http://127.0.0.1:8081, as the head sees it",
    ),
]
Label = Annotated[str, _pattern(r"[^\x00-\x1f\x7f]{1,64}", "a name of up to 64 characters")]
Words = Annotated[
    tuple[str, ...],
    Reads(parse=split_words, json={"type": "string", "examples": ["pass show fleet/box"]}),
]
Boolean = Annotated[bool, Reads(parse=_parse_boolean, json={"type": "boolean"})]
Port = Annotated[int, _integer(1, _LAST_PORT, "a port")]
PortRange = Annotated[
    Ports,
    Reads(parse=_parse_ports, json={"type": "string", "pattern": "^[0-9]+ *- *[0-9]+$", "examples": ["20000-20299"]}),
]
Po2 = Annotated[int, _integer(10, 30, "a power of two of cycles")]
SmallPo2 = Annotated[int, _integer(4, 16, "a power of two of cycles")]
Slots = Annotated[int, _integer(0, 64, "a number of slots")]
Count = Annotated[int, _integer(1, 256, "a count")]
Columns = Annotated[int, _integer(1, 1024, "a number of columns")]
Effort = Annotated[int, _integer(1, 10**6, "how often a card does a task's work")]
Iterations = Annotated[int, _integer(1, 10**12, "a number of iterations")]
Size = Annotated[int, _quantity(parse_bytes, "16GiB")]
Bandwidth = Annotated[float, _quantity(parse_bandwidth, "2GB/s")]
Hertz = Annotated[float, _quantity(parse_hertz, "845kHz")]
Duration = Annotated[float, _quantity(parse_seconds, "1.5s", zero=True)]
Timeout = Annotated[float, _quantity(parse_seconds, "10s")]
Number = Annotated[float, Reads(parse=_parse_number, json={"type": "number", "minimum": 0})]
Cost = Annotated[
    Price,
    Reads(parse=_parse_price, json={"type": "string", "examples": ["900 once", "0.35/hour"]}),
]
Positive = Annotated[float, Reads(parse=_parse_positive, json={"type": "number", "exclusiveMinimum": 0})]
Runs = Annotated[int, _integer(1, 10_000, "a number of runs")]
Few = Annotated[int, _integer(0, 100, "a number of runs")]
Scalar = Annotated[str, Reads(parse=str, json={"type": ["string", "number", "boolean"]})]
Unit = Annotated[str, _pattern(r"[A-Za-z][A-Za-z0-9._ -]{0,23}(?:/s)?", "what work is counted in, such as samples")]
Scale = Annotated[float, _quantity(float, "25")]


def wrong(annotation: Any, text: str) -> str:
    """What is wrong with a text as a scalar of this module (a key cannot be annotated); empty where nothing is."""
    try:
        annotation.__metadata__[0].parse(text)
    except ValueError as error:
        return str(error)
    return ""
