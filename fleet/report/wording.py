"""The words and figures that every rendering shares: one way to write an estimate, a price, a share, a choice."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from fleet.model.estimate import Estimate
from fleet.model.inventory import Per, Price
from fleet.model.trial import Goal
from fleet.model.verdict import Choice, Claim, Evidence, Option, Report, Scaling, Throughput, Verdict
from fleet.units import (
    device_word,
    format_count,
    format_hertz,
    format_iterations,
    format_percent,
    format_seconds,
    kilohertz,
    percent_digits,
    rate_digits,
    task_word,
)

NOTHING = "–"
"""Stands where there is no figure."""

PIECES = "every run told its own rate: its pieces are equal parts of it, which nobody timed one by one"
"""What tasks are that a run was cut into afterwards."""

TITLES = {
    Choice.TUNE: "TUNE WHAT IS THERE",
    Choice.ADD_GPU: "ADD A GPU TO THE BOX",
    Choice.ADD_REMOTE_WORKER: "ADD A REMOTE WORKER",
    Choice.REPLICATE: "ADD A SECOND, SEPARATE CLUSTER",
    Choice.HOLD: "HOLD: CHANGE NOTHING",
    Choice.INCONCLUSIVE: "NO DECISION YET: MEASURE MORE",
}

OUTLAY = frozenset({Choice.ADD_GPU, Choice.ADD_REMOTE_WORKER, Choice.REPLICATE})
"""Choices that cost money; the others are done with what is there."""

_PER_THOUSAND = 1000.0

_KILO = 1e3
_MOST_IN_KHZ = 1e7
_HERTZ_UNITS = {"Hz": 1.0, "kHz": _KILO, "MHz": 1e6, "GHz": 1e9}


def percent(ratio: float) -> str:
    """`0.6` → `+60.0 %`; no figure where it is not finite."""
    return format_percent(ratio) if math.isfinite(ratio) else NOTHING


def probability(value: float) -> str:
    """`0.99` → `99 %`; certainty is never claimed: `> 99 %`, `< 1 %`."""
    if value > 0.99:  # noqa: PLR2004 (beyond what two digits can say)
        return "> 99 %"
    if value < 0.01:  # noqa: PLR2004 (likewise)
        return "< 1 %"
    return f"{value * 100:.0f} %"


def aim(goal: Goal) -> tuple[str, ...]:
    """The measure that the verdict is about, where it is not the usual one."""
    return ("capacity: what several jobs at once get done",) if goal is Goal.CAPACITY else ()


def title(verdict: Verdict) -> str:
    """What to do, in capitals; `PROBABLY` where that is no 95 % claim."""
    text = TITLES[verdict.choice].replace("GPU", device_word().upper())
    return f"PROBABLY: {text}" if verdict.claim is Claim.LIKELY else text


def todo(verdict: Verdict) -> str:
    """What to do in detail, without the words that stand in the title above it."""
    return verdict.label.removeprefix(f"{TITLES[verdict.choice].lower()}: ")


_CLAIMS = {
    Claim.SURE: "{chance}",
    Claim.LIKELY: "{chance}: likely, but no 95 % claim; by being wrong little is lost",
    Claim.OPEN: "{chance} for what looks best, which does not settle it",
}


def confidence(verdict: Verdict) -> str:
    """How sure the verdict is, and what that claims; where nothing is decided, how sure the best option was."""
    if not verdict.confidence:
        return "not at all: nothing can be compared yet"
    said = _CLAIMS[verdict.claim].format(chance=probability(verdict.confidence))
    if not _rivalled(verdict):
        return said
    between = " that it pays," if verdict.claim is Claim.SURE else ";"
    return f"{said}{between} {probability(verdict.unrivalled)} that no other setting gives 2 % more"


def claimed(verdict: Verdict) -> str:
    """What the verdict is so sure of, where that has a place of its own beside the figure."""
    said = confidence(verdict).removeprefix(probability(verdict.confidence)).lstrip(":, ")
    if said:
        return said
    if verdict.choice is not Choice.TUNE:
        return "that nothing else would give 2 % more"
    measured = verdict.unrivalled < 1
    others = "that no other setting that was measured gives 2 % more" if measured else "no other setting was measured"
    return f"that it pays, {'and ' if measured else ''}{others}"


def _rivalled(verdict: Verdict) -> bool:
    """Whether other settings may well give more than those that are named."""
    return probability(verdict.unrivalled) != probability(1.0)


def share(value: float) -> str:
    """`0.857` → `85.7 %`, a part of a whole."""
    return f"{value * 100:.1f} %"


def gain(estimate: Estimate) -> str:
    """`+60.0 % [+55.0, +65.0]`: a relative gain with its 95 % interval."""
    digits = percent_digits(estimate.value)
    return f"{percent(estimate.value)} {_interval(estimate, factor=100, digits=digits, sign='+')}"


def option_gain(option: Option) -> str:
    """The gain of an option, in words where there is no figure."""
    if option.gain is not None:
        return gain(option.gain)
    return "no change" if option.choice is Choice.HOLD else "gain unknown"


def speedup(estimate: Estimate) -> str:
    """`1.63× [1.60, 1.66]`."""
    return f"{estimate.value:.2f}× {_interval(estimate, digits=2)}"


def factor_interval(estimate: Estimate) -> str:
    """`[1.17, 1.33]`: the 95 % interval of a ratio."""
    return _interval(estimate, digits=2)


def seconds_each(estimate: Estimate) -> tuple[str, str]:
    """`2.87` and `[2.78, 2.96]`, `0.0123` and `[0.0120, 0.0126]`: a task's seconds and their interval."""
    digits = next((digits for least, digits in ((1.0, 2), (0.1, 3)) if estimate.value >= least), 4)
    return f"{estimate.value:.{digits}f}", _interval(estimate, digits=digits)


def hertz_value(value: float) -> str:
    """`431.4 kHz`, `1,207.0 kHz`: in kHz as long as that is readable, so that figures compare at a glance."""
    if kilohertz() != "kHz":
        return format_hertz(value)
    return f"{value / _KILO:,.1f} kHz" if _KILO <= abs(value) < _MOST_IN_KHZ else format_hertz(value)


def hertz_interval(estimate: Estimate) -> str:
    """`[428.0, 434.9]` in the unit in which `hertz_value` writes the value."""
    unit = hertz_value(estimate.value).rpartition(" ")[2]
    return _interval(estimate, factor=1 / _HERTZ_UNITS.get(unit, _KILO), digits=rate_digits(estimate.value))


def hertz(estimate: Estimate) -> str:
    """`431.4 kHz [428.0, 434.9]`."""
    return f"{hertz_value(estimate.value)} {hertz_interval(estimate)}"


def _interval(estimate: Estimate, *, factor: float = 1.0, digits: int = 1, sign: str = "") -> str:
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return "[interval unknown]"
    return f"[{estimate.low * factor:{sign},.{digits}f}, {estimate.high * factor:{sign},.{digits}f}]"


def money(price: Price, currency: str) -> str:
    """`USD 2,600 once`, `USD 0.85 an hour`."""
    return f"{amount(price.amount, currency)} {'once' if price.per is Per.ONCE else 'an hour'}"


def amount(value: float, currency: str) -> str:
    """`USD 2,600`, `USD 0.85`."""
    return f"{currency} {value:,.0f}" if value == round(value) else f"{currency} {value:,.2f}"


def cost(choice: Choice, price: Price | None, currency: str) -> str:
    """What a choice costs, in words where there is no price or nothing to pay."""
    if price is not None and price.amount > 0:
        return money(price, currency)
    if choice not in OUTLAY:
        return "nothing"
    return "price not stated" if price is None else "nothing"


def gain_per_cost(expected: Estimate | None, price: Price | None, currency: str) -> str:
    """`+23.1 % per USD 1,000`, `+70.6 % per USD 1 an hour`; no figure where gain or price is unknown or nothing."""
    if expected is None or price is None or price.amount <= 0:
        return NOTHING
    if price.per is Per.HOUR:
        return f"{percent(expected.value / price.amount)} per {money(Price(amount=1, per=Per.HOUR), currency)}"
    return f"{percent(expected.value / price.amount * _PER_THOUSAND)} per {amount(_PER_THOUSAND, currency)}"


def evidence(kind: Evidence, expected: Estimate | None) -> str:
    """`measured, n = 3`, `predicted, not measured`, `not measured`; nothing where there is no figure to speak of."""
    match kind:
        case Evidence.MEASURED:
            return f"measured, n = {expected.n}" if expected else ""
        case Evidence.PREDICTED:
            return "predicted, not measured"
        case Evidence.NONE:
            return "not measured"


def load(throughput: Throughput) -> str:
    """`one job of 4,096 iterations`, `3 jobs of 4,096 iterations at once`."""
    if throughput.jobs == 1:
        return f"one job of {format_iterations(throughput.iterations)}"
    return f"{throughput.jobs} jobs of {format_iterations(throughput.iterations)} at once"


def scaling(found: Scaling) -> str:
    """What more devices brought, against what the job's task graph allows."""
    allowed = f"the {found.ideal:.2f}× that the task graph allows"
    parts = [f"{speedup(found.speedup)} of {allowed} = {share(found.efficiency)} of ideal"]
    if found.karp_flatt is not None:
        parts.append(f"serial share {found.karp_flatt:.3f} (Karp–Flatt)")
    if found.inflation is not None:
        parts.append(f"a {task_word()} takes {found.inflation:.2f}× as long")
    return "; ".join(parts)


def fault(code: str) -> str:
    """`out_of_memory` → `out of memory`: why a trial is no figure, as people read it."""
    return code.replace("_", " ")


def emulation(time_scale: float) -> str:
    """The sentence that keeps an emulated figure from being taken for a real one."""
    pace = f", {time_scale:g} emulated seconds to a real one" if time_scale != 1 else ""
    return f"These figures come from emulated devices{pace}. They say nothing about real hardware."


def moment(created: float) -> str:
    """Unix seconds → `2026-07-31 10:00 UTC`."""
    return datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%d %H:%M UTC")


def origin(report: Report) -> str:
    """Which run this is, how much was measured, on what, by what."""
    return (
        f"{report.inventory}: {measured(report)}; begun {moment(report.created)}, seed {report.seed}, "
        f"fleet {report.version}"
    )


def measured(report: Report) -> str:
    """`14 trials, whose jobs took 60.5 s, on box, far`: what passed between the jobs is no part of it."""
    hosts = ", ".join(report.hosts) or "no host"
    return f"{format_count(report.trials, 'trial')}, whose jobs took {format_seconds(report.seconds)}, on {hosts}"


def headline(report: Report) -> str:
    """The verdict in one line: `ADD A REMOTE WORKER · 99 % sure · +60.0 % [+55.0, +65.0] · USD 2,600 once`.

    Settings are named: `TUNE WHAT IS THERE: po2 18 → 21 · …` is all that somebody needs to know to do it. Where nothing
    is decided, what would bring the decision is.
    """
    verdict = report.analysis.verdict
    if verdict.claim is Claim.OPEN:
        return " · ".join((title(verdict), *verdict.needs[:1]))
    sure = f"{probability(verdict.confidence)} sure" + (" that it pays" if _rivalled(verdict) else "")
    turned = todo(verdict) if verdict.choice is Choice.TUNE else ""
    what = f"{title(verdict)}: {turned}" if turned else title(verdict)
    parts = [what, sure]
    if verdict.gain is not None:
        parts.append(gain(verdict.gain))
    if verdict.choice in OUTLAY:
        parts.append(cost(verdict.choice, verdict.cost, report.currency))
    return " · ".join(parts)
