"""Planted machines: fleets whose truth is known, which answer a trial with the records a real one would give.

Separate from the code under test on purpose: nothing of `fleet.twin` or `fleet.analyse` is used, and the way of
simulating differs (`planted_simulator`).

What a planted machine does, in emulated seconds (everything below that `Truth` leaves at its default is not there):

- The executor cuts the segments of `fleet.plan.trials.segments` at `executor_rate` cycles a second while proving has
  begun; each segment brings its prove task and the joins it completes (`fleet.plan.trials.proof`).
- An idle agent takes the oldest ready join, else the oldest ready prove, at once; or, with `poll`, it asks when it
  becomes idle and every `poll` seconds from then on, and with `refresh` it sees only the tasks that were ready at the
  last of the ticks that come every `refresh` seconds. Timers begin at a random phase, or `locked` with the job.
- A claim holds the coordinator for `claim` seconds, one claim at a time, then takes `dispatch` seconds and the `rtt` of
  the agent's host.
- A prove away from the head gets `SEGMENT_BYTES` a cycle over the head's one `uplink`. It holds one of its host's
  `cores` for `cpu` seconds per 2^20 cycles and then its memory for `dram` seconds per 2^20 cycles, moves 80 % of
  traffic·2^po2 bytes over its bus, computes `overhead` + 2^po2 / `cycles_per_second` on its device, and moves the other
  20 % back. Bus, device, memory and uplink serve one at a time, first come, first served. A join holds the device for
  `join`. Finalize takes `FINALIZE_SECONDS` off the agents. Jobs that are submitted together have an executor each.
- Where more devices of a host compute at once than its `power` feeds at full clock, a compute that begins takes
  √(computing / power) times as long.
- a agents on a device need a·M(po2)·`appetite` bytes, M = 1.3 + 8.1·2^(po2 − 20) GB; more than the device has is
  OUT_OF_MEMORY.
- Where it is `watched`, hosts and devices tell what real ones would: PSI of the CPUs, power violations, SM clocks.
- Every service is multiplied by log-normal noise of `task_noise`, every trial by one more factor of `trial_noise`, and
  the run's n-th trial by the n-th `tempo` (the last one holds on).
- On the host of a `background` job, what a device begins to compute during it takes longer; its phase is random.
- With `lifts` every join is two tasks, one after the other.
"""

from __future__ import annotations

import random
from dataclasses import replace

from planted_job import Job, Truth, memory_needed

from fleet.model.inventory import Device, Host, Inventory
from fleet.model.record import Observation, Outcome
from fleet.model.samples import DeviceSample, HostSample, Telemetry
from fleet.model.trial import Trial
from fleet.plan.trials.segments import segments

__all__ = ["Truth", "memory_needed", "observe"]

REAL_OVERHEAD_SECONDS = 1.0
EPOCH = 1_780_000_000.0


def starved(inventory: Inventory, truth: Truth, trial: Trial) -> str | None:
    """The first agent whose device has too little memory for all its agents."""
    largest = max(s.po2 for s in segments(trial.load.iterations, trial.layout.po2))
    for host, name in trial.layout.devices:
        memory = device_named(inventory.host(host), name).memory
        count = sum((a.host, a.device) == (host, name) for a in trial.layout.agents)
        if memory is not None and count * memory_needed(largest) * truth.appetite > memory:
            return f"{host}/{name}"
    return None


def device_named(host: Host, name: str) -> Device:
    """The device of that name."""
    return next(d for d in host.devices if d.name == name)


def observe(inventory: Inventory, truth: Truth, trial: Trial, number: int = 0) -> Observation:
    """Run one trial on the planted machine; `number` is its place in the run (a host may die at its own)."""
    rng = random.Random(f"{trial.id}/{number}")  # noqa: S311 (planted noise, not a secret)
    started = EPOCH + 60.0 * number
    lost = tuple(sorted({a.host for a in trial.layout.agents if truth.dies.get(a.host, number + 1) <= number}))
    if lost:
        return Observation(
            trial=trial, outcome=Outcome.HOST_LOST, started=started, elapsed=2.0, emulated=True, lost=lost,
            cause=f"{lost[0]} no longer answers",
        )  # fmt: skip
    if hungry := starved(inventory, truth, trial):
        return Observation(
            trial=trial, outcome=Outcome.OUT_OF_MEMORY, started=started, elapsed=REAL_OVERHEAD_SECONDS, emulated=True,
            cause=f"{hungry}: OutOfMemory",
        )  # fmt: skip
    job = Job(inventory, truth, trial, rng, truth.tempo[min(number, len(truth.tempo) - 1)])
    records = job.run()
    seconds = max(task.updated or 0.0 for record in records for task in record.tasks)
    elapsed = seconds / inventory.time_scale + REAL_OVERHEAD_SECONDS
    samples = tuple(told(job, host, device, started + elapsed, seconds) for host, device in trial.layout.devices)
    hosts = sorted({host for host, _ in trial.layout.devices}) if truth.watched else []
    return Observation(
        trial=trial, outcome=Outcome.OK, started=started, elapsed=elapsed, emulated=not truth.watched, jobs=records,
        telemetry=Telemetry(samples=(*samples, *(watched(job, host, started + elapsed, seconds) for host in hosts))),
    )  # fmt: skip


def told(job: Job, host: str, device: str, time: float, seconds: float) -> DeviceSample:
    """What a device tells of the whole trial."""
    sample = DeviceSample(
        host=host,
        device=device,
        time=time,
        emulated=not job.truth.watched,
        busy=job.devices[host, device].held / seconds,
        bus_busy=job.buses[host].held / seconds,
    )
    if not job.truth.watched:
        return sample
    starved = job.starved[host, device] / seconds
    return replace(sample, violation_power=starved, violation_thermal=0.0, sm_clock=1.8e9 * (1 - 0.3 * starved))


def watched(job: Job, host: str, time: float, seconds: float) -> HostSample:
    """What the host of a watched machine tells of the whole trial."""
    cores = job.cores[host]
    return HostSample(
        host=host,
        time=time,
        cpu_busy=cores.held / seconds / job.truth.cores,
        cpu_pressure=cores.waited / seconds,
        memory_pressure=0.0,
    )
