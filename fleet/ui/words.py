"""Events in words: one line for each, for the plain log and for the last lines of the live screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from fleet.model.estimate import Estimate
from fleet.model.event import (
    Estimated,
    Event,
    HostFailed,
    Note,
    Planned,
    Rate,
    StageFinished,
    StageStarted,
    StepDone,
    Surveyed,
    TrialFinished,
    TrialProgress,
    TrialStarted,
)
from fleet.model.playbook import StepReport, StepState
from fleet.model.rates import UNMEASURED, effective_hz, flaw
from fleet.model.record import Observation
from fleet.model.trial import Layout, Plan, Trial
from fleet.report.lines import Span, Style, cells, clip
from fleet.report.wording import gain, hertz, hertz_value
from fleet.ui.stepwords import STEP_STYLES, STEP_WORDS
from fleet.units import format_seconds

_LONGEST = 300
"""Characters of one event that are shown."""

_LEAST = 6
"""Cells: less of where a layout is tells nothing."""


def describe(event: Event) -> Span:
    """The event as one line; its style says whether the operator should look."""
    text, style = _words(event)
    return Span(clip(text, _LONGEST), style)


def _words(event: Event) -> tuple[str, Style]:  # noqa: C901, PLR0911 (one arm an event)
    match event:
        case StageStarted(stage=stage, detail=detail):
            return _joined(f"{stage} …", detail), Style.DIM
        case StageFinished(stage=stage, detail=detail):
            return _joined(f"{stage} done", detail), Style.PLAIN
        case HostFailed(failure=failure):
            return _joined(
                f"{failure.host} failed at {failure.stage}: {failure.message}", failure.hint or ""
            ), Style.BAD
        case Surveyed(survey=survey):
            asked = len(survey.facts) + len(survey.failures)
            return f"{len(survey.facts)} of {asked} hosts answered", Style.PLAIN
        case Planned(plan=plan):
            return planned(plan), Style.PLAIN
        case StepDone(report=report):
            return step(report), STEP_STYLES[report.state]
        case TrialStarted(trial=trial, number=number, remaining=remaining, seconds=seconds):
            return f"trial {number}: {trial_label(trial)}; {_left(remaining, seconds)}", Style.DIM
        case TrialProgress(trial=trial_id, done=done, total=total):
            return f"trial {trial_id}: {done} of {total} tasks done", Style.DIM
        case TrialFinished(observation=observation):
            return finished(observation), Style.WARN if _surprising(observation) else Style.PLAIN
        case Estimated(rates=rates):
            return so_far(rates), Style.PLAIN
        case Note(text=text, warning=warning):
            return text, Style.WARN if warning else Style.PLAIN
        case _:
            assert_never(event)


def so_far(rates: Sequence[Rate]) -> str:
    """The fastest layout so far, its rate and its gain with their intervals."""
    if not rates:
        return "so far: no figure"
    best = rates[0]
    return f"so far: {best.layout.label}: {rate_of(best)}" + (
        "" if best.gain is None else f", {against_now(best.gain)}"
    )


def rate_of(rate: Rate) -> str:
    """`431.4 kHz [428.0, 434.9], n = 2 (emulated)`."""
    return f"{hertz(rate.hz)}, n = {rate.hz.n}{emulated(is_so=rate.emulated)}"


def against_now(found: Estimate) -> str:
    """`+60.0 % [+55.0, +65.0] against now`."""
    return f"{gain(found)} against now"


def _joined(text: str, detail: str) -> str:
    return f"{text}: {detail}" if detail else text


def planned(plan: Plan) -> str:
    """What the plan is, in a line."""
    budget = plan.budget
    assumed = f"; assumed: {', '.join(plan.assumed)}" if plan.assumed else ""
    return (
        f"in service: {plan.current.label}; at most {budget.trials} trials or {format_seconds(budget.seconds)}, "
        f"seed {plan.seed}{assumed}"
    )


def stamp(seconds: float) -> str:
    """`01:05` after a minute and five seconds, `1:02:05` after an hour."""
    minutes, left = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes:02}:{left:02}"


def step(report: StepReport) -> str:
    """What a step found or did."""
    what = _joined(STEP_WORDS[report.state], report.summary)
    detail = f" ({report.detail})" if report.detail and report.state is StepState.FAILED else ""
    return f"{report.host}: {report.step}: {what}{detail}"


def trial_label(trial: Trial) -> str:
    """Why, where and with what load a trial is run."""
    return f"{trial.experiment.value}, {trial.layout.label}{_jobs(trial)}"


def _jobs(trial: Trial) -> str:
    return f", {trial.load.jobs} jobs" if trial.load.jobs != 1 else ""


def in_width(trial: Trial, width: int) -> str:
    """The trial's label in at most `width` cells."""
    why, jobs = f"{trial.experiment.value}, ", _jobs(trial)
    return clip(f"{why}{layout_in_width(trial.layout, width - cells(why) - cells(jobs))}{jobs}", width)


def layout_in_width(layout: Layout, width: int) -> str:
    """The layout's label in at most `width` cells: where it is gives way first, its settings stay."""
    settings = layout.label.removeprefix(layout.where)
    room = width - cells(settings)
    return clip(layout.label if room < _LEAST else clip(layout.where, room) + settings, width)


def hertz_of(observation: Observation) -> float | None:
    """Effective Hz of a trial that counts: cycles over time from the first start to the last end; None = no figure."""
    if observation.trial.experiment in UNMEASURED or flaw(observation) is not None:
        return None
    return effective_hz(observation.jobs)


def finished(observation: Observation) -> str:
    """How a trial ended; an emulated figure says so."""
    label = trial_label(observation.trial)
    took = format_seconds(observation.elapsed)
    value = hertz_of(observation)
    if value is not None:
        return f"{hertz_value(value)}{emulated(is_so=observation.emulated)}: {label}, in {took}"
    return _joined(f"{observation.outcome.value.replace('_', ' ')}: {label}, in {took}", observation.cause or "")


def _surprising(observation: Observation) -> bool:
    """Whether it should have given a figure and did not; running out of memory is what a ceiling probe looks for."""
    return observation.trial.experiment not in UNMEASURED and hertz_of(observation) is None


def emulated(*, is_so: bool) -> str:
    """What stands behind an emulated figure."""
    return " (emulated)" if is_so else ""


def _left(remaining: int, seconds: float | None) -> str:
    if remaining == 0:
        return "the last one"
    return f"about {remaining} more after it" + ("" if seconds is None else f", {time_left(seconds)}")


def time_left(seconds: float) -> str:
    """`about 2 min left`: as coarse as it is sure."""
    if seconds < 10:  # noqa: PLR2004 (a few seconds are not worth a figure)
        return "a few seconds left"
    if seconds < 55:  # noqa: PLR2004 (below about a minute, in tens)
        return f"about {round(seconds, -1):.0f} s left"
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    return f"about {hours} h {rest:02d} min left" if hours else f"about {minutes} min left"
