"""Quantities as people write them: parse and format bytes, cycles, hertz, seconds, money and deadlines."""

from __future__ import annotations

import math
import re
from contextvars import ContextVar
from dataclasses import dataclass

_NUMBER = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)\s*([A-Za-zµ/]*)\s*\Z")

_MONEY = re.compile(r"\s*([0-9][0-9,]*(?:\.[0-9]+)?)\s*(once|/\s*(?:month|hour))\s*\Z", re.IGNORECASE)
_DEADLINE = re.compile(r"\s*(.+?)\s*(?:cycles?)?\s+in\s+(.+?)\s*\Z", re.IGNORECASE)

_BYTES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_BYTES |= {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
_BANDWIDTH = _BYTES | {f"{unit}/s": factor for unit, factor in _BYTES.items() if unit}
_CYCLES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_HERTZ = {"": 1, "hz": 1, "khz": 10**3, "mhz": 10**6, "ghz": 10**9}
_SECONDS = {
    "": 1.0,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
    "d": 86400.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Idiom:
    """The operator's own words. `unit`: what a kHz in the records is called (`samples/s`); empty = Hz.

    `settings`: what the settings are called by number (`batch 64`); empty = segment sizes, `po2 20`. `runs`: a job is
    so many runs of a command, not iterations of a guest. `pieces`: each run told its own rate, and what is recorded as
    tasks are equal pieces of it. `device`: what a box may get one more of (`core`).
    """

    unit: str = ""
    settings: tuple[str, ...] = ()
    runs: bool = False
    pieces: bool = False
    device: str = "GPU"


_PLAIN = Idiom()
_IDIOM: ContextVar[Idiom] = ContextVar("idiom", default=_PLAIN)
"""How figures are said from here on. It is context, not state: it changes no figure, and every text of a program is
about one fleet."""


def speak(idiom: Idiom) -> None:
    """Say rates and settings so from now on, in this context."""
    _IDIOM.set(idiom)


def spoken() -> Idiom:
    """How rates and settings are said here; a thread begins without it and must be told."""
    return _IDIOM.get()


def kilohertz() -> str:
    """What a thousand cycles a second are called: `kHz`, or the operator's `samples/s`."""
    return _IDIOM.get().unit or "kHz"


def speed() -> str:
    """What there may be more of: `Hz`, or the operator's `samples/s`."""
    return _IDIOM.get().unit or "Hz"


def example_rate() -> str:
    """A rate as an option takes it: `5MHz`, or in the operator's unit `500 samples/s`, quoted for a shell."""
    return f"'500 {unit}'" if (unit := _IDIOM.get().unit) else "5MHz"


def setting_title() -> str:
    """What heads a column of settings: `po2`, or `setting`."""
    return "setting" if _IDIOM.get().settings else "po2"


def format_setting(po2: int) -> str:
    """`20` → `po2 20`, or the operator's `batch 64`."""
    settings = _IDIOM.get().settings
    return settings[po2] if 0 <= po2 < len(settings) else f"po2 {po2}"


def format_turn(old: int, new: int) -> str:
    """`18`, `21` → `po2 18 → 21`, or the operator's `batch 64 → batch 128`."""
    return f"{format_setting(old)} → {format_setting(new) if _IDIOM.get().settings else new}"


def format_po2(po2: int) -> str:
    """A setting under its title: `20`, or the operator's `batch 64`."""
    return format_setting(po2).removeprefix("po2 ")


def format_count(number: int, noun: str) -> str:
    """`1 job`, `3,000 jobs`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def format_iterations(count: int) -> str:
    """How long a job is: `4,096 iterations`, or `16 runs` of the operator's command."""
    word = "run" if _IDIOM.get().runs else "iteration"
    return f"{count:,} {word}{'' if _IDIOM.get().runs and count == 1 else 's'}"


def length_title() -> str:
    """What heads a column of jobs' lengths: `iterations`, or `runs` of the operator's command."""
    return "runs" if _IDIOM.get().runs else "iterations"


def task_word() -> str:
    """What an agent does one of at a time: a `prove`, or a `run` of the operator's command."""
    return "run" if _IDIOM.get().runs else "prove"


def kind_word(kind: str) -> str:
    """A task's kind as it is shown: a `prove` is a `run` where the operator's command is what is run."""
    return task_word() if kind == "prove" else kind


def device_word() -> str:
    """What a box may get one more of: a `GPU`, or a `core` where only cores are measured."""
    return _IDIOM.get().device


def sizes_title() -> str:
    """What is tried for the largest that fits: a `segment size`, or a `setting` of the operator's command."""
    return "setting" if _IDIOM.get().settings else "segment size"


def work_word() -> str:
    """What devices do: they `prove`, or they `work` on the operator's command."""
    return "work" if _IDIOM.get().runs else "prove"


def _parse(text: str | float, table: dict[str, int] | dict[str, float], example: str) -> float:
    if isinstance(text, bool):
        raise ValueError(f"expected a quantity such as {example}")  # noqa: TRY004 (a value problem to the reader)
    if isinstance(text, int | float):
        value = float(text)
    else:
        match = _NUMBER.match(text)
        factor = table.get(match[2].lower()) if match else None
        value = float(match[1]) * factor if match and factor else math.inf
    if not math.isfinite(value):
        raise ValueError(f"expected a quantity such as {example}")
    return value


def parse_bytes(text: str | float) -> int:
    """Bytes: `16GiB` = 16·2^30, `16GB` = 16·10^9, a bare number is bytes. ValueError otherwise."""
    return round(_parse(text, _BYTES, "16GiB"))


def parse_bandwidth(text: str | float) -> float:
    """Bytes per second: `2GB/s`, a bare number is bytes per second. ValueError otherwise."""
    return _parse(text, _BANDWIDTH, "2GB/s")


def parse_cycles(text: str | float) -> int:
    """Cycles: `10G` = 10^10. ValueError otherwise."""
    return round(_parse(text, _CYCLES, "10G"))


def parse_hertz(text: str | float) -> float:
    """Cycles per second: `845kHz`. ValueError otherwise."""
    return _parse(text, _HERTZ, "845kHz")


def parse_seconds(text: str | float) -> float:
    """Seconds: `1.5s`, `20ms`, `10m`, `2h`; a bare number is seconds. ValueError otherwise."""
    return _parse(text, _SECONDS, "90s")


def parse_percent(text: str) -> float:
    """A share: `5%` or `2.5 %` is 0.05 or 0.025; from 0 to below 100 %. ValueError otherwise."""
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*%\s*", text)
    if match is None or float(match[1]) >= 100:  # noqa: PLR2004 (all of it)
        raise ValueError("expected a share such as 5%")
    return float(match[1]) / 100


def parse_money(text: str) -> tuple[float, str]:
    """An amount and what it is for, `month`, `hour` or `once`: `2000/month`, `0.35/hour`, `900 once`. ValueError."""
    match = _MONEY.match(text)
    if match is None:
        raise ValueError("expected an amount such as 2000/month, 0.35/hour or 900 once")
    return float(match[1].replace(",", "")), match[2].lstrip("/ ").lower()


def parse_deadline(text: str) -> tuple[int, float]:
    """Cycles and the seconds to prove them in: `10G cycles in 1h`; both above zero. ValueError otherwise."""
    match = _DEADLINE.match(text)
    try:
        cycles, seconds = (parse_cycles(match[1]), parse_seconds(match[2])) if match else (0, 0.0)
    except ValueError:
        cycles, seconds = 0, 0.0
    if cycles <= 0 or seconds <= 0:
        raise ValueError("expected cycles and a time such as '10G cycles in 1h'")
    return cycles, seconds


def _scaled(value: float, steps: tuple[tuple[float, str], ...]) -> str:
    for factor, unit in steps:
        if abs(value) >= factor:
            return f"{value / factor:,.1f} {unit}"
    return f"{value:,.0f} {steps[-1][1].lstrip('kK')}"


def format_hertz(value: float) -> str:
    """`264892.07` → `264.9 kHz`, or in the operator's unit `264.9 samples/s`."""
    if unit := _IDIOM.get().unit:
        return f"{value / 1e3:,.{rate_digits(value)}f} {unit}"
    if abs(value) < 1e3:  # noqa: PLR2004 (below one kilohertz)
        return f"{value:,.0f} Hz"
    return _scaled(value, ((1e9, "GHz"), (1e6, "MHz"), (1e3, "kHz")))


def rate_digits(value: float) -> int:
    """Digits behind the point of a rate in thousands: one; in the operator's unit as many as make four in all."""
    if not _IDIOM.get().unit:
        return 1
    return next((digits for least, digits in ((1e6, 0), (1e5, 1), (1e4, 2), (1e3, 3)) if abs(value) >= least), 5)


def format_bytes(value: float) -> str:
    """`17179869184` → `16.0 GiB`."""
    if abs(value) < 2**10:
        return f"{value:,.0f} B"
    return _scaled(value, ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")))


def format_seconds(value: float) -> str:
    """`0.012` → `12 ms`, `81.43` → `81.4 s`, `7322` → `2 h 02 min`."""
    minute, hour = 60, 3600
    if value < 1:
        return f"{value * 1e3:.0f} ms"
    if value < 2 * minute:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 2 * hour:
        return f"{whole // minute} min {whole % minute:02} s"
    return f"{whole // hour} h {whole % hour // minute:02} min"


def format_percent(ratio: float) -> str:
    """`0.614` → `+61.4 %`, `-0.02` → `-2.0 %`, `12.75` → `+1,275 %`."""
    digits = percent_digits(ratio)
    return f"{round(ratio * 100, digits) + 0.0:+,.{digits}f} %"  # what rounds to nothing has no minus


def percent_digits(ratio: float) -> int:
    """Digits behind the point of a difference in percent: one, and none once that would be less than any spread."""
    return 0 if abs(ratio) >= 1 else 1


def format_share(part: float) -> str:
    """`0.714` → `71 %`, a part of a whole, without a sign."""
    return f"{part * 100:.0f} %"
