"""The validity gate: what a trial must be to become a number. What fails is kept and shown with its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fleet.model import conditions
from fleet.model.rates import flaw, tasks_of
from fleet.model.record import Observation, Outcome, TaskState
from fleet.model.verdict import Refusal
from fleet.units import setting_title


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: its code, how to say what was seen, and what would cure it."""

    code: str
    seen: Callable[[Observation], str]
    cure: str


def _cause(default: str) -> Callable[[Observation], str]:
    return lambda observation: observation.cause or default


def _lost(observation: Observation) -> str:
    return observation.cause or f"lost: {', '.join(observation.lost) or 'a host'}"


def _retried(observation: Observation) -> str:
    retried = [task for task in tasks_of(observation) if task.retries > 0]
    return f"{len(retried)} tasks were retried (the first is {retried[0].kind} {retried[0].id})"


def _unfinished(observation: Observation) -> str:
    open_tasks = [task for task in tasks_of(observation) if task.state is not TaskState.DONE]
    return f"{len(open_tasks)} tasks were not done (the first is {open_tasks[0].state} {open_tasks[0].id})"


def _throttle(observation: Observation) -> str:
    bits = conditions.throttled(observation)
    named = ", ".join(name for bit, name in THROTTLE_BITS if bits & bit)
    return f"throttle bits {bits:#x} on a device while it proved ({named or 'unknown'})"


def _named(before: str, of: Callable[[Observation], Iterable[str]]) -> Callable[[Observation], str]:
    """`before`, then what is named, by commas."""
    return lambda observation: f"{before}{', '.join(of(observation))}"


THROTTLE_BITS = (
    (0x2, "application clocks"),
    (0x8, "hardware slowdown"),
    (0x10, "sync boost"),
    (0x20, "software thermal slowdown"),
    (0x40, "hardware thermal slowdown"),
    (0x80, "power brake"),
    (0x100, "display clocks"),
)
"""NVML's reasons for low clocks, apart from the harmless ones."""

RULES: tuple[Rule, ...] = (
    Rule(
        code=Outcome.OUT_OF_MEMORY.value,
        seen=_cause("an agent ran out of device memory"),
        cure="a smaller po2, or fewer agents on the device",
    ),
    Rule(
        code=Outcome.HOST_LOST.value,
        seen=_lost,
        cure="look at the host (power, network, kernel log), then resume the run",
    ),
    Rule(code=Outcome.FAILED.value, seen=_cause("the job failed"), cure="read the agents' log, then resume the run"),
    Rule(
        code=Outcome.TIMEOUT.value,
        seen=_cause("the job did not end in time"),
        cure="a smaller load or a larger time limit",
    ),
    Rule(
        code=Outcome.CONTAMINATED.value,
        seen=_cause("something else ran on the devices"),
        cure="stop what else works there, in a lab lower its `time_scale`, then resume the run",
    ),
    Rule(code=Outcome.ABORTED.value, seen=_cause("it was stopped"), cure="resume the run"),
    Rule(code="unfinished", seen=_unfinished, cure="wait for the job's end before its records are read"),
    Rule(
        code="retried",
        seen=_retried,
        cure="raise the task timeout, or find why the agent failed: a retry overwrites when a task started",
    ),
    Rule(
        code="bad_times",
        seen=lambda _: "a task has no start or end, or ends before it starts",
        cure="check the clock of the host that writes the records",
    ),
    Rule(
        code="jobs_missing",
        seen=lambda seen: f"{len(seen.jobs)} of {seen.trial.load.jobs} jobs were recorded",
        cure="read the records of all jobs that were submitted together",
    ),
    Rule(
        code="agent_restarted",
        seen=_named("agents ended and came back: ", lambda seen: seen.restarted),
        cure="read the agent's log (out of memory?); a smaller po2 or fewer agents on the device",
    ),
    Rule(
        code="not_warm",
        seen=_named("not warmed up: ", lambda seen: seen.cold),
        cure="let one job pass first: kernels are compiled and connections made for minutes",
    ),
    Rule(
        code="still_running",
        seen=_named("still running: ", lambda seen: seen.running),
        cure="stop the broker and the miner while it is measured: they take the devices' time",
    ),
    Rule(
        code="clock_unknown",
        seen=_named("clocks never compared with ours: ", lambda seen: seen.unclocked),
        cure="let the host tell the time (`date +%s.%N`), so that its samples fall into the right trial",
    ),
    Rule(
        code="card_lost",
        seen=_named("fell off the bus: ", conditions.lost_cards),
        cure="look at the kernel log, seating and power of the card; then resume the run",
    ),
    Rule(
        code="driver_error",
        seen=_named("the driver reported ", conditions.driver_errors),
        cure="look the XID up in NVIDIA's list and cure it: the card's work is not to be trusted",
    ),
    Rule(
        code="memory_errors",
        seen=_named("memory errors that ECC could not correct on ", conditions.memory_errors),
        cure="reset the card, or replace it: its work is not to be trusted",
    ),
    Rule(
        code="foreign_process",
        seen=_named("somebody else computes on ", conditions.foreign),
        cure="stop what else runs on the cards, then resume the run",
    ),
    Rule(
        code="card_divided",
        seen=_named("MIG is on, so that an agent has a part of the card only: ", conditions.divided),
        cure="turn MIG off (`nvidia-smi -mig 0`, then reset the card), then resume the run",
    ),
    Rule(
        code="throttled",
        seen=_throttle,
        cure="cool the device or give it power; for application clocks `nvidia-smi -rac`; then measure again",
    ),
    Rule(
        code="narrow_link",
        seen=_named("the PCIe link stayed below what card and slot can do: ", conditions.narrow_links),
        cure="reseat the card, look at riser and firmware (bifurcation, ASPM)",
    ),
    Rule(
        code="slow_clock",
        seen=_named("clocks stayed low under load: ", conditions.slow_clocks),
        cure="unlock the clocks (`nvidia-smi -rgc`), look at the performance state",
    ),
)
"""In the words of the operator, for every code that `fleet.model.rates.flaw` gives."""

_BY_CODE = {rule.code: rule for rule in RULES}


def refusal(observation: Observation) -> Refusal | None:
    """Why this observation counts for nothing; None where it counts."""
    code = flaw(observation)
    if code is None:
        return None
    rule = _BY_CODE[code]
    return Refusal(
        trial=observation.trial.id,
        label=observation.trial.layout.label,
        code=code,
        seen=rule.seen(observation),
        cure=rule.cure.replace("po2", setting_title()),
    )


def refused(observations: Iterable[Observation]) -> tuple[Refusal, ...]:
    """The refusals among these, in their order."""
    return tuple(found for observation in observations if (found := refusal(observation)) is not None)
