"""Looks at a host on which there is no fleet: a shell program that needs /bin/sh and /proc only, and its reader.

It shows less than fleet's own sampler (no violation times, no byte counters) and asks nvidia-smi where there is one. It
ends with the connection: its next write fails. Host and controller share nothing but this text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fleet.model.samples import CardState, DeviceSample, HostSample, Lack
from fleet.model.watch import Look
from fleet.remote.sampling.procfs import (
    Reading,
    Slow,
    parse_busy,
    parse_cores,
    parse_meminfo,
    parse_net_dev,
    parse_pressure,
    parse_runnable,
)
from fleet.remote.sampling.sampler import host_sample
from fleet.remote.sampling.sources import Snapshot

SHORTEST_BARE = 1.0
"""Seconds between looks at least: nvidia-smi opens the driver anew each time."""
SMI_SECONDS = 10
"""After so long nvidia-smi is given up: where a card has fallen off the bus it may hang."""
BEGIN, END = "=fleet-look", "=fleet-end"
LOOK_LIMIT = 256 * 2**10
"""Characters of one look; /proc/stat of a host with 512 cores has 40 thousand."""

_FIELDS = (
    "index", "name", "uuid", "pci.bus_id", "utilization.gpu", "utilization.memory", "memory.total", "memory.used",
    "power.draw", "enforced.power.limit", "temperature.gpu", "clocks.sm", "clocks.max.sm", "clocks.mem",
    "pcie.link.gen.current", "pcie.link.width.current", "pcie.link.gen.max", "pcie.link.width.max",
)  # fmt: skip
_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,6})?\Z")
_MHZ, _MIB = 1e6, 2**20
_PERCENT = 0.01
_MOST_GPUS = 64
_TEXT = 200

PROGRAM = f"""\
LC_ALL=C; export LC_ALL
limit=; command -v timeout >/dev/null 2>&1 && limit="timeout {SMI_SECONDS}"
while :; do
  echo {BEGIN} || exit 0
  read up rest </proc/uptime; echo "up $up"; echo "now $(date +%s)"
  for file in stat meminfo net/dev pressure/cpu pressure/memory pressure/io; do
    echo "=file $file"
    case $file in
      stat) sed '/^intr/d; /^softirq/d' /proc/$file ;;
      *) [ -r /proc/$file ] && cat /proc/$file 2>/dev/null ;;
    esac
  done
  echo "=file gpus"
  if command -v nvidia-smi >/dev/null 2>&1; then
    $limit nvidia-smi --query-gpu={",".join(_FIELDS)} --format=csv,noheader,nounits 2>&1 | head -n {_MOST_GPUS}
  else echo "no nvidia-smi there"; fi
  echo {END} || exit 0
  sleep "$1" || exit 0
done </dev/null
"""
"""For `/bin/sh -c`, with the seconds between looks as its argument."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bare:
    """One look as it was said: the host's counters, and what nvidia-smi says of its GPUs; `lacks`: of declared ones."""

    snapshot: Snapshot
    devices: tuple[DeviceSample, ...]
    cards: tuple[CardState, ...]
    lacks: tuple[Lack, ...] = ()


def parse_bare(host: str, text: str, declared: Sequence[str] = ()) -> Bare:
    """A look, from the lines between BEGIN and END. ValueError where it makes no sense.

    `declared`: the names of the host's cards in the driver's order; others are `gpu0`, `gpu1`, …
    """
    head, *parts = text.split("=file ")
    words = dict(line.split(" ", 1) for line in head.splitlines() if " " in line)
    files = {name.strip(): body for name, _, body in (part.partition("\n") for part in parts)}
    up, now = float(words["up"]), float(words["now"])
    devices, cards, complaint = _gpus(host, now, files.get("gpus", ""), declared)
    missing = [name for name in declared if name not in {device.device for device in devices}]
    return Bare(
        snapshot=Snapshot(at=up, time=now, host=_reading(files, up), usage={}),
        devices=(*devices, *(DeviceSample(host=host, device=name, time=now, emulated=False) for name in missing)),
        cards=cards,
        lacks=tuple(Lack(host=host, device=name, field="*", reason=complaint, time=now) for name in missing),
    )


def look(host: str, address: str, before: Bare, after: Bare) -> Look:
    """What happened between two looks."""
    sample: HostSample = host_sample(host, address, before.snapshot, after.snapshot)
    return Look(host=sample, devices=after.devices, cards=after.cards, lacks=after.lacks)


def _reading(files: Mapping[str, str], up: float) -> Reading:
    stat = files.get("stat", "")
    memory_used, memory_total = parse_meminfo(files.get("meminfo", "")) or (None, None)
    pressures = (parse_pressure(files.get(f"pressure/{name}", "")) for name in ("cpu", "memory", "io"))
    (cpu, cpu_full), (stalled, stalled_full), (io, io_full) = pressures
    slow = Slow(
        at=up,
        cores=parse_cores(stat),
        memory_used=memory_used,
        memory_total=memory_total,
        cpu_stalled=cpu,
        cpu_full=cpu_full,
        memory_stalled=stalled,
        memory_full=stalled_full,
        io_stalled=io,
        io_full=io_full,
        traffic=parse_net_dev(files.get("net/dev", "")),
    )
    return Reading(parse_busy(stat), parse_runnable(stat), stat, slow)


def _gpus(
    host: str, now: float, text: str, declared: Sequence[str]
) -> tuple[tuple[DeviceSample, ...], tuple[CardState, ...], str]:
    """What nvidia-smi says of each GPU; and of those that it does not list, the first line that is about none."""
    devices, cards, complaints = [], [], []
    for line in text.splitlines()[:_MOST_GPUS]:
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != len(_FIELDS) or not cells[0].isdecimal():
            complaints.append(line.strip()[:_TEXT])
            continue
        told = dict(zip(_FIELDS, cells, strict=True))
        index = int(told["index"])
        name = declared[index] if index < len(declared) else f"gpu{index}"
        devices.append(_device(host, name, now, told))
        cards.append(_card(host, name, now, told))
    silent = f"nvidia-smi lists {len(devices)} GPUs only" if devices else "nvidia-smi said nothing"
    return tuple(devices), tuple(cards), next(filter(None, complaints), silent)


def _device(host: str, name: str, now: float, told: Mapping[str, str]) -> DeviceSample:
    return DeviceSample(
        host=host,
        device=name,
        time=now,
        emulated=False,
        busy=_number(told["utilization.gpu"], _PERCENT),
        memory_busy=_number(told["utilization.memory"], _PERCENT),
        memory_used=_whole(told["memory.used"], _MIB),
        power=_number(told["power.draw"]),
        power_limit=_number(told["enforced.power.limit"]),
        temperature=_number(told["temperature.gpu"]),
        sm_clock=_number(told["clocks.sm"], _MHZ),
        memory_clock=_number(told["clocks.mem"], _MHZ),
        pcie_generation=_whole(told["pcie.link.gen.current"]),
        pcie_width=_whole(told["pcie.link.width.current"]),
    )


def _card(host: str, name: str, now: float, told: Mapping[str, str]) -> CardState:
    return CardState(
        host=host,
        device=name,
        time=now,
        model=told["name"][:_TEXT],
        uuid=told["uuid"][:_TEXT],
        memory_total=_whole(told["memory.total"], _MIB),
        sm_clock_max=_number(told["clocks.max.sm"], _MHZ),
        pcie_generation_max=_whole(told["pcie.link.gen.max"]),
        pcie_width_max=_whole(told["pcie.link.width.max"]),
    )


def _number(text: str, factor: float = 1.0) -> float | None:
    """None for `[N/A]` and the like."""
    return float(text) * factor if _NUMBER.match(text) else None


def _whole(text: str, factor: int = 1) -> int | None:
    number = _number(text)
    return None if number is None else round(number) * factor
