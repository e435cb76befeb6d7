"""Quantities as people write them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.units import (
    format_bytes,
    format_hertz,
    format_percent,
    format_seconds,
    parse_bandwidth,
    parse_bytes,
    parse_cycles,
    parse_hertz,
    parse_seconds,
)

PARSERS = (parse_bandwidth, parse_bytes, parse_cycles, parse_hertz, parse_seconds)


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (parse_bytes, "16GiB", 16 * 2**30),
        (parse_bytes, "16 GB", 16 * 10**9),
        (parse_bytes, "1.5kB", 1500),
        (parse_bytes, "4096", 4096),
        (parse_bytes, "0.5KiB", 512),
        (parse_bytes, 7, 7),
        (parse_bandwidth, "2GB/s", 2e9),
        (parse_bandwidth, "100", 100.0),
        (parse_bandwidth, 2.5, 2.5),
        (parse_cycles, "10G", 10**10),
        (parse_cycles, "8650752", 8650752),
        (parse_hertz, "845kHz", 845e3),
        (parse_hertz, "20MHz", 20e6),
        (parse_hertz, "1e6", 1e6),
        (parse_seconds, "90", 90.0),
        (parse_seconds, "1.5s", 1.5),
        (parse_seconds, "20ms", 0.02),
        (parse_seconds, "5µs", 5e-6),
        (parse_seconds, "10m", 600.0),
        (parse_seconds, "2h", 7200.0),
        (parse_seconds, "1d", 86400.0),
    ],
)
def test_parse(parse: Callable[[Any], float], text: str | float, value: float) -> None:
    """A number with a unit, in any case of letters, with or without a space."""
    assert parse(text) == pytest.approx(value, rel=1e-12)
    if isinstance(text, str) and text.isascii():
        assert parse(f" {text.upper()} ") == parse(text)


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize("text", ["", "fast", "-1", "1e", "1..2", "1 2", "3 parsecs", "nan", "inf", "1e999", "0x10"])
def test_no_quantity(parse: Callable[[Any], float], text: str) -> None:
    """What is no quantity is told with an example of one."""
    with pytest.raises(ValueError, match=r"expected a quantity such as \d"):
        parse(text)


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize("value", [True, math.nan, math.inf])
def test_no_number(parse: Callable[[Any], float], value: float) -> None:
    """A boolean, NaN and infinity are no quantities."""
    with pytest.raises(ValueError, match="expected a quantity"):
        parse(value)


@given(value=st.integers(min_value=0, max_value=2**50), unit=st.sampled_from(["", "B", "kB", "KiB", "MiB", "GB"]))
def test_bytes_are_whole(value: int, unit: str) -> None:
    """Bytes are never fractions, and a unit never makes them fewer."""
    parsed = parse_bytes(f"{value}{unit}")
    assert isinstance(parsed, int)
    assert parsed >= value


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (format_hertz(264892.0747), "264.9 kHz"),
        (format_hertz(0), "0 Hz"),
        (format_hertz(999), "999 Hz"),
        (format_hertz(1e6), "1.0 MHz"),
        (format_hertz(2.5e9), "2.5 GHz"),
        (format_bytes(0), "0 B"),
        (format_bytes(16 * 2**30), "16.0 GiB"),
        (format_bytes(1536), "1.5 KiB"),
        (format_bytes(3 * 2**40), "3.0 TiB"),
        (format_seconds(0.012), "12 ms"),
        (format_seconds(81.430957), "81.4 s"),
        (format_seconds(120), "2 min 00 s"),
        (format_seconds(179.7), "3 min 00 s"),
        (format_seconds(7322), "2 h 02 min"),
        (format_seconds(7199.9), "2 h 00 min"),
        (format_percent(0.614), "+61.4 %"),
        (format_percent(-0.02), "-2.0 %"),
        (format_percent(-0.0004), "+0.0 %"),
        (format_percent(3.6531), "+365 %"),
        (format_percent(12.75), "+1,275 %"),
    ],
)
def test_format(shown: str, said: str) -> None:
    """Quantities as they stand on a screen; nothing is rounded up to sixty seconds."""
    assert shown == said


@given(seconds=st.floats(min_value=0, max_value=1e7))
def test_seconds_never_show_sixty(seconds: float) -> None:
    """59.9 s after whole minutes are the next minute."""
    assert not re.search("(min|h) 60", format_seconds(seconds))
