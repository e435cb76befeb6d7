"""What was measured: tasks, jobs, samples, observations, and the run log that is the only input of analysis.

Task times are seconds on the driver's clock since the trial's start (emulated seconds where devices are emulated).
Sample times are Unix seconds (real seconds, always), brought to the controller's clock where the host's is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fleet.model.facts import Survey
from fleet.model.inventory import Inventory
from fleet.model.trial import Plan, Trial


class TaskKind(StrEnum):
    """The kinds of task of a proving job."""

    EXECUTE = "execute"
    PROVE = "prove"
    JOIN = "join"
    RESOLVE = "resolve"
    FINALIZE = "finalize"


class TaskState(StrEnum):
    """How far a task is."""

    PENDING = "pending"
    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """One task. `created`: known to the scheduler; `started`: claimed by an agent; `updated`: finished.

    `transfer`: seconds of the task spent moving bytes over the host's bus, waiting for a turn included; None = not
    known. `away`: seconds of it for which its agent did not have it yet or had answered already, its way there and back;
    None = not known. `agent` is `AgentSpec.name`, None where the task ran on the head's executor or the source does not
    tell.
    """

    id: str
    kind: TaskKind
    state: TaskState
    prerequisites: tuple[str, ...]
    created: float
    started: float | None
    updated: float | None
    agent: str | None = None
    host: str | None = None
    retries: int = 0
    transfer: float | None = None
    away: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """One job with all its tasks. `total_cycles` is padded per segment, as the `init` task reports it."""

    id: str
    state: TaskState
    segments: int
    user_cycles: int
    total_cycles: int
    tasks: tuple[TaskRecord, ...]
    digest: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSample:
    """One host at one time. Shares are 0–1, sizes bytes, rates bytes per second; None = not available, never 0.

    `…_pressure`: share of the time in which some task waited for it, `…_full` in which all did (PSI). `cores`: how busy
    each core was, in the kernel's order. `cpu_throttled`: share of the CFS periods in which the cgroup was held back.
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


class Outcome(StrEnum):
    """How a trial ended. OK ⇒ every job is done and so is every task of it."""

    OK = "ok"
    OUT_OF_MEMORY = "out_of_memory"
    FAILED = "failed"
    TIMEOUT = "timeout"
    CONTAMINATED = "contaminated"
    HOST_LOST = "host_lost"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One trial as it went. `started` is Unix time, `elapsed` real seconds; `log` the end of the agents' log.

    `cold`: agents that were not warm when it began; `restarted`: agents that ended and came back in it; `running`: what
    ought to have been stopped and was not; `unclocked`: hosts whose clock was never set against the others'.
    """

    trial: Trial
    outcome: Outcome
    started: float
    elapsed: float
    emulated: bool
    jobs: tuple[JobRecord, ...] = ()
    cause: str | None = None
    lost: tuple[str, ...] = ()
    log: tuple[str, ...] = ()
    telemetry: Telemetry = Telemetry()
    cold: tuple[str, ...] = ()
    restarted: tuple[str, ...] = ()
    running: tuple[str, ...] = ()
    unclocked: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """OK without finished jobs is a contradiction that must not be built."""
        if self.outcome is Outcome.OK and not (
            self.jobs
            and all(
                job.state is TaskState.DONE and all(task.state is TaskState.DONE for task in job.tasks)
                for job in self.jobs
            )
        ):
            raise ValueError("an OK observation needs jobs whose every task is done")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLog:
    """One run, whole: what was there, what was planned, what was seen. `created` is Unix time."""

    id: str
    created: float
    version: str
    inventory: Inventory
    survey: Survey
    plan: Plan
    observations: tuple[Observation, ...] = ()
    finished: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """A line of `fleet runs`."""

    id: str
    created: float
    inventory: str
    emulated: bool
    observations: int
    finished: bool
