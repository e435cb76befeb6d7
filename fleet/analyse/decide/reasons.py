"""Why: the reasons behind a decision, each a code, a sentence and its figures; and what would flip it."""

from __future__ import annotations

from collections.abc import Callable

from fleet.analyse.causes.anatomy import COORDINATOR_BUSY, coordinator
from fleet.analyse.causes.scaling import scalings
from fleet.analyse.decide.flips import flips, next_trial
from fleet.analyse.decide.options import HARDWARE, WORTH, Candidate, comparable
from fleet.analyse.decide.rules import (
    BASELESS,
    EFFICIENT,
    Case,
    Decision,
    confounded,
    efficiency_of,
    segments_had,
    segments_wanted,
)
from fleet.analyse.foretell.whatif import predicted_hz
from fleet.analyse.wording import chance, gained, money, roughly
from fleet.model.verdict import Choice, Evidence, Reason
from fleet.units import device_word, format_hertz, format_percent, format_share, task_word, work_word


def reasons(case: Case, decision: Decision) -> tuple[Reason, ...]:
    """The reasons of a decision, the deciding one first."""
    found = (reason for write in _WRITERS if (reason := write(case, decision)) is not None)
    return (_deciding(case, decision), *found)


def _deciding(case: Case, decision: Decision) -> Reason:
    others = confounded(case.found)
    text = _TEXTS[decision.code].format(
        about=decision.about.label if decision.about else "doing nothing",
        base=case.base.layout.label,
        other=others[0].label if others else "",
        worth=format_share(WORTH),
        chance=chance(decision.confidence),
        pays=chance(decision.about.probability()) if decision.about else "",
        rivals=_rivals(decision),
        segments=segments_had(case),
        wanted=segments_wanted(case),
        cost=" for its cost" if comparable(case.hardware) and len(case.hardware) > 1 else "",
    )
    return Reason(code=decision.code, text=text, evidence=_figures(case, decision))


def _rivals(decision: Decision) -> str:
    if decision.about is None or decision.about.rivals is None:
        return "no other settings were measured"
    return f"with a probability of {chance(decision.unrivalled)} no other setting that was measured gives 2 % more"


def _figures(case: Case, decision: Decision) -> tuple[str, ...]:
    if decision.code == "confounded":
        return tuple(f"{arm.layout.label}: {format_hertz(arm.hz)}" for arm in case.found.arms)
    return tuple(_figure(case, c) for c in case.candidates if c.gains is not None)


def _figure(case: Case, candidate: Candidate) -> str:
    cost = f", {money(candidate.cost, _currency(case))}" if candidate.cost and candidate.choice in HARDWARE else ""
    how = "measured" if candidate.evidence is Evidence.MEASURED else "predicted"
    stop = f", but {candidate.blocked}" if candidate.blocked else ""
    return f"{candidate.label}: {gained(candidate.gain)} {how}{cost}{stop}"


def _currency(case: Case) -> str:
    return case.found.log.inventory.prices.currency


_TEXTS = {
    "confounded": (
        "{other} and {base} differ in their devices and in their settings at once: what the devices gave cannot be "
        "told from what the settings gave"
    ),
    "load_too_small": (
        "the job is too small for {base}: {segments} segments, of which it needs {wanted} or more, so that start and "
        "tail do not decide the figures"
    ),
    "nothing_compared": "only {base} was measured: there is nothing to compare it with",
    "tune_gains": (
        "{about} on the devices that are there gains {worth} or more with a probability of {pays}, and costs nothing; "
        "{rivals}"
    ),
    "tune_undecided": (
        "{about} may gain {worth} or more (probability {pays}): too likely to buy anything yet, not likely enough "
        "to say so"
    ),
    "all_small": "nothing that was looked at gains {worth} or more (probability that nothing pays: {chance})",
    "gain_per_cost": (
        "{about} gives the most{cost}: the probability that nothing else would give 2 % more is {chance}"
    ),
    "remote_not_measured": (
        "a remote worker looks like the best buy, but none was measured, and distance can take most of its gain"
    ),
    "little_to_lose": (
        "{about} leads with a probability of {chance}, and where it is not the best it forgoes little: on average "
        "less than 2 % of the throughput"
    ),
    "undecided": "{about} leads, but the probability that it is the best buy is only {chance}",
    "nothing_open": "every option is blocked or was not measured",
}


def _tune_small(case: Case, decision: Decision) -> Reason | None:
    tune = case.candidate(Choice.TUNE)
    if tune.gains is None or decision.about is tune or decision.code in BASELESS:
        return None
    return Reason(
        code="tune_no_gain",
        text=(
            f"the best other settings ({tune.label}) are hardly worth it: they gain {format_share(WORTH)} or more "
            f"with a probability of {chance(tune.probability())}"
        ),
        evidence=(gained(tune.gain),),
    )


def _in_box(case: Case, _: Decision) -> Reason | None:
    """What the box's own devices gave when they were added to the first."""
    layout = case.base.layout
    scaling = next((s for s in scalings(case.found) if s.layout == layout), None)
    if scaling is None:
        return None
    stretch = f"; a {task_word()} takes {scaling.inflation:.2f} times as long" if scaling.inflation else ""
    return Reason(
        code="in_box_scaling",
        text=(
            f"{scaling.devices} devices in service give {scaling.speedup.value:.2f}× of one where the task graph "
            f"allows {scaling.ideal:.2f}×{stretch}"
        ),
        evidence=(
            f"speed-up {scaling.speedup.value:.2f} (95 %: {scaling.speedup.low:.2f} to {scaling.speedup.high:.2f})",
            f"efficiency {scaling.efficiency:.2f}",
            *([f"serial share {scaling.karp_flatt:.3f} (Karp–Flatt)"] if scaling.karp_flatt is not None else []),
        ),
    )


def _prediction(case: Case, _: Decision) -> Reason | None:
    gpu = case.candidate(Choice.ADD_GPU)
    text = f"how a {device_word()}'s gain was predicted"
    return Reason(code="gpu_prediction", text=text, evidence=tuple(gpu.basis.split("; ")))


def _blocked(case: Case, _: Decision) -> Reason | None:
    stopped = [c for c in case.candidates if c.blocked]
    if not stopped:
        return None
    return Reason(code="blocked", text="; ".join(f"{c.label} is no option: {c.blocked}" for c in stopped))


def _distance(case: Case, _: Decision) -> Reason | None:
    efficiency = efficiency_of(case)
    if efficiency is None:
        return None
    if efficiency < EFFICIENT:
        text = f"a remote device {work_word()}s at only {efficiency:.2f} of a near one: distance eats part of the gain"
        return Reason(code="remote_efficiency_low", text=text, evidence=(f"η = {efficiency:.2f} < {EFFICIENT}",))
    return Reason(
        code="remote_efficiency",
        text=f"a remote device {work_word()}s at {efficiency:.2f} of a near one",
        evidence=(f"η = {efficiency:.2f}",),
    )


def _coordinator(case: Case, _: Decision) -> Reason | None:
    """How busy handing out tasks keeps the coordinator with the measured worker: what the next one will meet."""
    layout = case.candidate(Choice.ADD_REMOTE_WORKER).layout
    far = case.found.arm(layout) if layout else None
    busy = coordinator(far) if far else None
    if busy is None:
        return None
    share, limit = format_share(busy), format_share(COORDINATOR_BUSY)
    if busy < COORDINATOR_BUSY:
        text = f"handing out tasks leaves the coordinator room: {share} busy with that worker, {limit} would be much"
        return Reason(code="coordinator_free", text=text)
    text = f"with that worker the coordinator is {share} busy handing out tasks: the next worker will bring less"
    return Reason(code="coordinator_busy", text=text, evidence=(f"{share}, more than {limit}",))


def _replica(case: Case, _: Decision) -> Reason | None:
    """Why a second cluster is an option at all, where it is one."""
    replica = next((c for c in case.candidates if c.choice is Choice.REPLICATE), None)
    if replica is None or not replica.basis:
        return None
    return Reason(
        code="cluster_at_its_limit",
        text="one cluster is at its limit: more devices in it bring little, a second cluster brings as much again",
        evidence=tuple(replica.basis.split("; ")),
    )


def _break_even(case: Case, _: Decision) -> Reason | None:
    """At which price of a worker, in GPUs, the two buys are worth the same, where a GPU is worth buying at all."""
    gpu, remote = case.candidate(Choice.ADD_GPU), case.candidate(Choice.ADD_REMOTE_WORKER)
    if not (gpu.value and remote.value and gpu.value >= WORTH and remote.value > 0) or gpu.blocked:
        return None
    ratio = remote.value / gpu.value
    times = f"{ratio:.1f}" if ratio < 10 else f"{ratio:.0f}"  # noqa: PLR2004 (two digits)
    evidence = [f"gains {gained(remote.gain)} and {gained(gpu.gain)}"]
    if comparable((gpu, remote)) and gpu.cost and remote.cost:
        even = money(roughly(gpu.cost, ratio), _currency(case))
        evidence.append(f"at today's {device_word()} price that is about {even}")
        evidence.append(f"a worker is stated at {money(remote.cost, _currency(case))}")
    return Reason(
        code="break_even",
        text=f"as gains stand, a remote worker is the better buy for less than {times} times a {device_word()}'s price",
        evidence=tuple(evidence),
    )


def _confirmed(case: Case, _: Decision) -> Reason | None:
    """What the twin says of a layout with a candidate from other trials, beside what was measured."""
    lines = []
    for arm, _hosts in case.found.with_candidates():
        predicted = predicted_hz(case.found, case.base, arm)
        if predicted is not None:
            off = format_percent(arm.hz / predicted - 1)
            lines.append(
                f"{arm.layout.where}: predicted {format_hertz(predicted)}, measured {format_hertz(arm.hz)} ({off})"
            )
    if not lines:
        return None
    return Reason(code="confirmed", text="predicted from other trials against measured", evidence=tuple(lines))


_WRITERS: tuple[Callable[[Case, Decision], Reason | None], ...] = (
    _tune_small,
    _in_box,
    _distance,
    _coordinator,
    _blocked,
    _replica,
    _break_even,
    flips,
    _prediction,
    _confirmed,
    next_trial,
)
