"""What was sampled while a trial ran: hosts, devices, agents' processes, cards, and what could not be read.

Times are Unix seconds (real seconds, always), brought to the controller's clock where the host's is known.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSample:
    """One host at one time. Shares are 0–1, sizes bytes, rates bytes per second; None = not available, never 0.

    `…_pressure`: share of the time in which some task waited for it, `…_full` in which all did (PSI). `cores`: how busy
    each core was, in the kernel's order. `cpu_throttled`: share of the CFS periods in which the cgroup was held back.
    `agents_…_pressure`: as `…_pressure`, of the control group that the agents run in alone (version 2 only).
    `numa_used` by node; `numa_misses`: pages per second that came from another node than was wanted. `disk_busy`: the
    busiest disk's share. `drops`: packets dropped or damaged per second.
    """

    host: str
    time: float
    cpu_busy: float | None = None
    memory_used: int | None = None
    cpu_pressure: float | None = None
    memory_pressure: float | None = None
    io_pressure: float | None = None
    runnable: int | None = None
    received: float | None = None
    sent: float | None = None
    cores: tuple[float, ...] | None = None
    cpu_full: float | None = None
    memory_full: float | None = None
    io_full: float | None = None
    cpu_throttled: float | None = None
    memory_total: int | None = None
    numa_used: tuple[int, ...] | None = None
    numa_misses: float | None = None
    disk_read: float | None = None
    disk_written: float | None = None
    disk_busy: float | None = None
    drops: float | None = None
    agents_cpu_pressure: float | None = None
    agents_memory_pressure: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSample:
    """One device at one time. `busy` and `bus_busy` are shares 0–1 since the last sample; None = not available.

    Power in watts, temperatures in °C, clocks in hertz, `received` and `sent` (PCIe, from the device's point of view)
    and NVLink's in bytes per second. `throttle`: NVML's bits of clock event reasons now; `violation_…`: share of the
    time since the last sample in which that kept the clocks down. `memory_busy`: share of the time in which device
    memory was touched. `pcie_replays`, `ecc_corrected`, `ecc_uncorrected`: how many since the last sample. `xids`: the
    driver's error numbers since then, in order; empty = none, None = nobody listened.
    """

    host: str
    device: str
    time: float
    emulated: bool
    busy: float | None = None
    bus_busy: float | None = None
    memory_used: int | None = None
    power: float | None = None
    temperature: float | None = None
    sm_clock: float | None = None
    throttle: int | None = None
    memory_busy: float | None = None
    power_limit: float | None = None
    memory_temperature: float | None = None
    memory_clock: float | None = None
    violation_power: float | None = None
    violation_thermal: float | None = None
    violation_board: float | None = None
    violation_reliability: float | None = None
    violation_sync: float | None = None
    pcie_generation: int | None = None
    pcie_width: int | None = None
    received: float | None = None
    sent: float | None = None
    pcie_replays: int | None = None
    nvlink_received: float | None = None
    nvlink_sent: float | None = None
    ecc_corrected: int | None = None
    ecc_uncorrected: int | None = None
    xids: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSample:
    """The process of one agent at one time: `cpu` in cores since its last sample, `memory_used` its resident bytes."""

    host: str
    device: str
    pid: int
    time: float
    cpu: float | None = None
    memory_used: int | None = None


Sample = HostSample | DeviceSample | AgentSample


@dataclass(frozen=True, slots=True, kw_only=True)
class CardProcess:
    """A process that the driver has on a GPU. `memory` in bytes; `ours`: it is an agent of the fleet's run."""

    pid: int
    name: str | None
    ours: bool
    memory: int | None = None
    graphics: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CardState:
    """A GPU at one time, with what seldom changes or costs too much to ask each second; None = not available.

    `address`: PCI, as sysfs has it (`0000:17:00.0`). Clocks in hertz, power in watts, memory in bytes. `pcie_…_max`:
    what card and slot can do together. `ecc_…`: counts since the driver was loaded; `retired_pages`, `remapped_rows`
    in the card's life. `mps`: clients share the card through NVIDIA's MPS. `clocks_locked`: by the operator. `lost`:
    the card has fallen off the bus.
    """

    host: str
    device: str
    time: float
    uuid: str | None = None
    model: str | None = None
    driver: str | None = None
    address: str | None = None
    memory_total: int | None = None
    power_limit: float | None = None
    power_limit_default: float | None = None
    sm_clock_max: float | None = None
    memory_clock_max: float | None = None
    pcie_generation_max: int | None = None
    pcie_width_max: int | None = None
    nvlinks: int | None = None
    ecc_on: bool | None = None
    ecc_corrected: int | None = None
    ecc_uncorrected: int | None = None
    retired_pages: int | None = None
    remapped_rows: int | None = None
    remap_pending: bool | None = None
    mig: bool | None = None
    mps: bool | None = None
    compute_mode: str | None = None
    persistence: bool | None = None
    clocks_locked: bool | None = None
    processes: tuple[CardProcess, ...] | None = None
    lost: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """What could not be read of a host (`device` None) or device from `time` on, and why; said once.

    `field`: as in the samples or in `CardState`; `*` = the whole device, `gpus` = all of the host's.
    """

    host: str
    device: str | None
    field: str
    reason: str
    time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """The samples taken during a trial, and how many ticks were missed.

    `before` and `after`: the hosts' GPUs at its start and end. `lacks`: what could not be read by its end.
    """

    samples: tuple[Sample, ...] = ()
    missed: int = 0
    before: tuple[CardState, ...] = ()
    after: tuple[CardState, ...] = ()
    lacks: tuple[Lack, ...] = ()
