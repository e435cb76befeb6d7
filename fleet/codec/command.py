"""The inventory's `command` block: its form, what is wrong in it, and the settings that it becomes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

from fleet.codec import scalars as s
from fleet.codec.problems import Problem, nearest
from fleet.codec.schema import Shorthand
from fleet.model.command import OUT_OF_MEMORY, Assignment, CommandSettings, Knob, Metric, Telling
from fleet.plan.trials.command import PLACES, pattern_problem, placeholders

_KNOB = re.compile(r"[a-z][a-z0-9_]{0,31}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_ITEMS = 16
_MOST_VALUES = 16
_LONGEST = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class RunForm:
    """The command: the words of a program, or a text that is split as a shell would, or is a shell's with `shell`."""

    text: str | None = None
    words: tuple[s.Scalar, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricForm:
    """How a run's figure is found in what it prints."""

    regex: str | None = None
    json: str | None = None
    tells: Telling = Telling.RATE


@dataclass(frozen=True, slots=True, kw_only=True)
class KnobForm:
    """The values of a knob, and the one in service."""

    values: tuple[s.Scalar, ...] = ()
    now: s.Scalar | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandForm:
    """A program that is measured instead of fleet's own guest."""

    run: Annotated[RunForm, Shorthand(field="text", items="words")]
    unit: s.Unit
    shell: s.Boolean = False
    metric: MetricForm | None = None
    work: s.Positive | None = None
    items: s.Runs | None = None
    knobs: dict[str, Annotated[KnobForm, Shorthand(field="now", items="values")]] = field(default_factory=dict)
    env: dict[str, s.Scalar] = field(default_factory=dict)
    directory: s.Path | None = None
    warm_up: s.Few | None = None
    timeout: s.Timeout | None = None
    out_of_memory: tuple[str, ...] | None = None


def command_settings(form: CommandForm) -> CommandSettings:
    """The settings that a form without problems stands for."""
    metric = None if form.metric is None else _metric(form.metric)
    rate = metric is not None and metric.tells is Telling.RATE
    return CommandSettings(
        words=_words(form),
        unit=form.unit.removesuffix("/s"),
        shell=form.shell,
        metric=metric,
        work=form.work or 1.0,
        items=form.items or (1 if rate else _ITEMS),
        knobs=tuple(Knob(name=name, values=knob.values) for name, knob in form.knobs.items()),
        environment=tuple(Assignment(name=name, value=value) for name, value in form.env.items()),
        directory=form.directory,
        warm_up=1 if form.warm_up is None else form.warm_up,
        timeout=form.timeout or 600.0,
        out_of_memory=OUT_OF_MEMORY if form.out_of_memory is None else form.out_of_memory,
    )


def position_now(form: CommandForm) -> int | None:
    """The position of the setting in service; None where the knobs do not say, 0 where there are none."""
    for knob in form.knobs.values():
        if knob.now is not None:
            return knob.values.index(knob.now)
    return None if form.knobs else 0


def command_problems(form: CommandForm) -> Iterator[Problem]:
    """All that is wrong in the block, field by field."""
    yield from _run_problems(form)
    yield from _metric_problems(form)
    yield from _knob_problems(form)
    for name in form.env:
        if not _VARIABLE.fullmatch(name):
            yield Problem(path=("command", "env", name), text="expected the name of an environment variable")
    for index, text in enumerate(form.out_of_memory or ()):
        if not text.strip():
            yield Problem(path=("command", "out_of_memory", index), text="expected a text that says so, found nothing")


def _metric(form: MetricForm) -> Metric:
    keys = tuple(form.json.split(".")) if form.json is not None else None
    return Metric(tells=form.tells, pattern=form.regex, keys=keys)


def _words(form: CommandForm) -> tuple[str, ...]:
    if form.run.words is not None:
        return form.run.words
    text = form.run.text or ""
    return (text,) if form.shell else s.split_words(text)


def _run_problems(form: CommandForm) -> Iterator[Problem]:
    path = ("command", "run")
    if form.shell and form.run.text is None:
        yield Problem(path=path, text="expected one text for the shell, or `shell: false`")
        return
    try:
        words = _words(form)
    except ValueError as error:
        yield Problem(path=path, text=str(error))
        return
    if not words or not words[0].strip() or any("\0" in word for word in words) or len("".join(words)) > _LONGEST:
        yield Problem(path=path, text=f"expected a program and its arguments, up to {_LONGEST:,} characters")
    known = (*form.knobs, *PLACES)
    texts = [(path, word) for word in words] + [(("command", "env", key), text) for key, text in form.env.items()]
    used: set[str] = set()
    for where, text in texts:
        try:
            names = set(placeholders(text))
        except ValueError as error:
            yield Problem(path=where, text=str(error))
            continue
        used |= names
        for name in sorted(names - set(known)):
            yield Problem(path=where, text=f"there is no `{name}` for {{{name}}}{nearest(name, known)}")
    for name in form.knobs:
        if name not in used:
            yield Problem(path=("command", "knobs", name), text=f"is turned in vain: nothing has {{{name}}} in it")


def _metric_problems(form: CommandForm) -> Iterator[Problem]:
    metric = form.metric
    if metric is None:
        return
    path = ("command", "metric")
    if (metric.regex is None) == (metric.json is None):
        yield Problem(path=path, text="expected `regex` or `json`, one of the two")
    if metric.regex is not None and (wrong := pattern_problem(metric.regex)):
        yield Problem(path=(*path, "regex"), text=wrong)
    if metric.json is not None and not all(metric.json.split(".")):
        yield Problem(path=(*path, "json"), text="expected keys with dots between them, such as results.throughput")
    if form.work is not None:
        yield Problem(path=("command", "work"), text="is what each run is worth where no `metric` tells it")


def _knob_problems(form: CommandForm) -> Iterator[Problem]:
    positions: dict[str, int] = {}
    for name, knob in form.knobs.items():
        path = ("command", "knobs", name)
        if not _KNOB.fullmatch(name) or name in PLACES:
            yield Problem(path=path, text=f"expected a name of a–z, digits and _, other than {', '.join(PLACES)}")
        if not 1 <= len(knob.values) <= _MOST_VALUES or len(set(knob.values)) < len(knob.values):
            text = f"expected its `values`, the least demanding first: 1 to {_MOST_VALUES} different ones"
            yield Problem(path=path, text=text)
        elif knob.now is not None and knob.now not in knob.values:
            yield Problem(path=(*path, "now"), text=f"is not among its values: {', '.join(knob.values)}")
        elif knob.now is not None:
            positions[name] = knob.values.index(knob.now)
    if len({len(knob.values) for knob in form.knobs.values()}) > 1:
        yield Problem(path=("command", "knobs"), text="are turned together: expected as many values for each of them")
    if len(set(positions.values())) > 1:
        text = f"are turned together: `now` has another place in {' than in '.join(positions)}"
        yield Problem(path=("command", "knobs"), text=text)
