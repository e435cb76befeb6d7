"""The cells of `fleet watch`: what stands in each column of a row, and what is worth a word of it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from fleet.model.samples import DeviceSample, HostSample
from fleet.report.lines import Span, Style
from fleet.ui.watchboard import CPU, Row

ALWAYS = 2
"""The rank of the last column that is never left out: how busy it is, with the past behind it."""
HOST = 16
"""Cells of a host's name at most."""
_DEVICE, _NOTE, _MODEL = 8, 24, 20
_HOT, _WARM, _BUSY = 85.0, 78.0, 0.9
_PRESSED = 0.05
"""A share of the time spent waiting that is worth a word."""
_GIB, _GIGA = 2**30, 1e9

_THROTTLES = (
    (0x40, "too hot", Style.BAD),
    (0x8, "slowed", Style.BAD),
    (0x80, "brake", Style.BAD),
    (0x20, "warm", Style.WARN),
    (0x4, "power cap", Style.DIM),
)
"""NVML's clock event reasons that are worth a word, the worst first."""
_MAKER = ("NVIDIA ", "GeForce ")
"""What every model's name begins with, and no two can be told apart by."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: `rank` says which one goes first where it is too narrow (the highest)."""

    title: str
    width: int
    rank: int
    cell: Callable[[Row], Span]
    right: bool = True


def unseen(row: Row) -> str | None:
    """Why there is nothing to say of a GPU; None where there is something."""
    if row.device is None:
        return None
    name = row.device.device
    told = next((lack.reason for lack in row.host.lacks if (lack.device, lack.field) == (name, "*")), None)
    return told or ("the card is lost" if row.card is not None and row.card.lost else None)


def in_trouble(row: Row) -> bool:
    """Whether somebody should look at this host or GPU now. A lost host's GPUs are not counted beside it."""
    if row.host.lost or row.device is None:
        return bool(row.host.lost) and row.device is None
    return unseen(row) is not None or note(row).style is Style.BAD


def percent(share: float | None) -> str:
    """`97 %`; nothing where it is not known."""
    return "" if share is None else f"{share * 100:.0f} %"


def heat(busy: float | None) -> Style:
    """The colour of how busy something is."""
    return Style.GOOD if busy is not None and busy >= _BUSY else Style.PLAIN


def size(used: float, total: float | None) -> str:
    """`8.0/24G`."""
    return f"{used / _GIB:.1f}G" if total is None else f"{used / _GIB:.1f}/{total / _GIB:.0f}G"


def memory(row: Row) -> Span:
    """Memory in use, of all."""
    if row.device is None:
        host = row.host.look.host if row.host.look else None
        return Span("" if host is None or host.memory_used is None else size(host.memory_used, host.memory_total))
    used = row.device.memory_used
    return Span("" if used is None else size(used, row.card.memory_total if row.card else None))


def power(row: Row) -> Span:
    """Watts drawn, of the limit."""
    sample = row.device
    if sample is None or sample.power is None:
        return Span("")
    return Span(f"{sample.power:.0f}" + (f"/{sample.power_limit:.0f}W" if sample.power_limit else "W"))


def temperature(row: Row) -> Span:
    """Of the chip."""
    found = row.device.temperature if row.device else None
    if found is None:
        return Span("")
    style = Style.BAD if found >= _HOT else Style.WARN if found >= _WARM else Style.PLAIN
    return Span(f"{found:.0f}°C", style)


def clock(row: Row) -> Span:
    """Of the multiprocessors."""
    found = row.device.sm_clock if row.device else None
    return Span("" if found is None else f"{found / _GIGA:.2f}G")


def link(row: Row) -> Span:
    """PCIe generation and lanes now; fewer lanes than card and slot have is worth a look."""
    sample = row.device
    if sample is None or sample.pcie_width is None or sample.pcie_generation is None:
        return Span("")
    most = row.card.pcie_width_max if row.card else None
    narrow = most is not None and sample.pcie_width < most
    text = f"{sample.pcie_generation}×{sample.pcie_width}" + (f" of {most}" if narrow else "")
    return Span(text, Style.WARN if narrow else Style.PLAIN)


def traffic(row: Row) -> Span:
    """Over PCIe, both ways."""
    sample = row.device
    if sample is None or sample.received is None or sample.sent is None:
        return Span("")
    return Span(f"{sample.received / _GIGA:.1f}/{sample.sent / _GIGA:.1f}G")


def note(row: Row) -> Span:
    """What is worth a word: errors, what slows it down, who waits. Of several the worst gives the colour."""
    if row.device is None:
        return _pressure(row.host.look.host if row.host.look else None)
    words = tuple(_words(row, row.device))
    return Span(", ".join(word.text for word in words), words[0].style if words else Style.PLAIN)


def _words(row: Row, sample: DeviceSample) -> Iterator[Span]:
    """The worst first."""
    if sample.emulated:
        yield Span("emulated", Style.EMULATED)
        return
    card = row.card
    if row.mishap is not None:
        yield Span(f"Xid {row.mishap.xid}{_at(row.mishap.time)}", Style.BAD)
    if errors := max(sample.ecc_uncorrected or 0, (card.ecc_uncorrected if card else None) or 0):
        yield Span(f"ECC {errors}", Style.BAD)
    if card is not None and card.remap_pending:
        yield Span("remap pending", Style.BAD)
    for bit, word, style in _THROTTLES:
        if (sample.throttle or 0) & bit:
            yield Span(word, style)
            break
    if card is not None and card.mig:
        yield Span("MIG", Style.DIM)


def _at(time: float) -> str:
    """When it was here; nothing where the host's clock tells a time that is none."""
    with suppress(ValueError, OverflowError, OSError):
        return f" at {datetime.fromtimestamp(time).astimezone():%H:%M}"
    return ""


def _pressure(host: HostSample | None) -> Span:
    if host is None:
        return Span("")
    shares = (("cpu", host.cpu_pressure), ("mem", host.memory_pressure), ("io", host.io_pressure))
    waits = [f"{name} {share * 100:.0f}%" for name, share in shares if share is not None and share >= _PRESSED]
    return Span(f"waits {' '.join(waits)}" if waits else "", Style.WARN)


def _model(row: Row) -> Span:
    name = (row.card.model if row.card else None) or ""
    for maker in _MAKER:
        name = name.removeprefix(maker)
    return Span(name)


COLUMNS = (
    Column("host", HOST, 0, lambda row: Span(row.host.name), right=False),
    Column(
        "device", _DEVICE, 1, lambda row: Span(row.device.device) if row.device else Span(CPU, Style.DIM), right=False
    ),
    Column("busy", 5, ALWAYS, lambda row: Span(percent(row.busy), heat(row.busy))),
    Column("memory", 11, 3, memory),
    Column("temp", 5, 5, temperature),
    Column("power", 9, 6, power),
    Column("clock", 6, 9, clock),
    Column("PCIe", 10, 7, link),
    Column("in/out", 10, 10, traffic),
    Column("", _NOTE, 4, note, right=False),
    Column("model", _MODEL, 8, _model, right=False),
)
"""All of them, from the left."""
