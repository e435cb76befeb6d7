"""SuperBench's data diagnosis: which hosts' figures break the rules, in its words and with its numbers.

Its rule functions are `variance` (against a baseline), `value`, `failure_check` (a metric that must be there), and
`multi_rules` (over what rules with `store` kept). A criterion that holds is a violation.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from fleet.analyse.criteria import Criterion, Value
from fleet.errors import ConfigurationError

FAILED = "FailedTest"
"""The category of a figure that is missing."""


class Function(StrEnum):
    """What a rule does with its metrics."""

    VARIANCE = "variance"
    VALUE = "value"
    MULTI_RULES = "multi_rules"
    FAILURE_CHECK = "failure_check"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. `metrics`: names, or expressions for them. Without `function` it only stores its figures."""

    name: str
    categories: str
    function: Function | None = None
    criterion: Criterion | None = None
    metrics: tuple[str, ...] = ()
    store: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeResults:
    """One host's figures by `benchmark/metric:rank`; None where a figure is missing."""

    node: str
    figures: Mapping[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """A host that breaks rules. `figures`: what the rules looked at, variances as such; None = missing."""

    node: str
    categories: tuple[str, ...]
    details: tuple[str, ...]
    figures: Mapping[str, float | None]


def diagnose(nodes: Sequence[NodeResults], rules: Sequence[Rule], baseline: Mapping[str, float]) -> tuple[Defect, ...]:
    """The hosts that break a rule, in SuperBench's order. ConfigurationError where a rule cannot be applied."""
    names = list(dict.fromkeys(name for node in nodes for name in node.figures))
    chosen = {rule.name: _chosen(rule, names) for rule in rules}
    shown = sorted({name for rule in rules for name in chosen[rule.name]})
    found = [defect for node in nodes if (defect := _defect(node, rules, chosen, baseline, shown)) is not None]
    return tuple(sorted(found, key=lambda one: (",".join(one.categories), ",".join(one.details)), reverse=True))


def _chosen(rule: Rule, names: Sequence[str]) -> tuple[str, ...]:
    """The metrics that a rule is about, of its benchmarks only, in the data's order."""
    if rule.function is Function.MULTI_RULES:
        return ()
    by_benchmark: dict[str, list[re.Pattern[str]]] = {}
    for metric in rule.metrics:
        try:
            by_benchmark.setdefault(metric.partition("/")[0], []).append(re.compile(metric))
        except re.error as error:
            raise ConfigurationError(f"rule {rule.name}: `{metric}` is not a regular expression: {error}") from None
    return tuple(
        name
        for name in names
        if "/" in name
        and (patterns := by_benchmark.get(name.partition("/")[0]))
        and (name in rule.metrics or any(pattern.search(name) for pattern in patterns))
    )


@dataclass(slots=True, kw_only=True)
class _Case:
    """One host under examination: what was found so far."""

    node: NodeResults
    baseline: Mapping[str, float]
    details: list[str] = field(default_factory=list)
    categories: set[str] = field(default_factory=set)
    figures: dict[str, float] = field(default_factory=dict)
    stored: dict[str, Value] = field(default_factory=dict)

    def missing(self, metric: str) -> bool:
        """Note a metric that is not there."""
        if self.node.figures.get(metric) is not None:
            return False
        self.details.append(f"{metric}_miss")
        self.categories.add(FAILED)
        return True

    def violated(self, rule: Rule, detail: str) -> None:
        """Note a violation; what is stored for other rules has no category of its own."""
        self.details.append(detail)
        if not rule.store or rule.function in {Function.MULTI_RULES, Function.FAILURE_CHECK}:
            self.categories.add(rule.categories)


def _defect(
    node: NodeResults,
    rules: Sequence[Rule],
    chosen: Mapping[str, tuple[str, ...]],
    baseline: Mapping[str, float],
    shown: Sequence[str],
) -> Defect | None:
    case, guilty = _Case(node=node, baseline=baseline), False
    for rule in rules:
        metrics = chosen[rule.name]
        if rule.function is None or rule.criterion is None:
            kept = {name: node.figures.get(name) for name in metrics}
            case.stored[rule.name] = {name: math.nan if value is None else value for name, value in kept.items()}
            continue
        count = _FUNCTIONS[rule.function](case, rule, rule.criterion, metrics)
        if rule.store:
            case.stored[rule.name] = count
        guilty = guilty or (count > 0 and not rule.store)
    if not guilty:
        return None
    figures = {name: case.figures.get(name) for name in shown}
    categories, details = tuple(sorted(case.categories)), tuple(sorted(case.details))
    return Defect(node=node.node, categories=categories, details=details, figures=figures)


def _variance(case: _Case, rule: Rule, criterion: Criterion, metrics: Sequence[str]) -> int:
    count = 0
    for metric, value in _present(case, metrics):
        base = _baseline_of(case.baseline, metric)
        if not base:
            raise ConfigurationError(
                f"rule {rule.name}: {metric} has the baseline {base}, which no variance can be taken of",
                hint="give it one in the baseline file",
            )
        variance = (value - base) / base
        case.figures[metric] = variance
        if _holds(rule, criterion, variance):
            count += 1
            case.violated(
                rule,
                f"{metric}(B/L: {base:.4f} VAL: {value:.4f} VAR: {variance * 100:.2f}% Rule:{criterion.text})",
            )
    return count


def _value(case: _Case, rule: Rule, criterion: Criterion, metrics: Sequence[str]) -> int:
    count = 0
    for metric, value in _present(case, metrics):
        case.figures[metric] = value
        if _holds(rule, criterion, value):
            count += 1
            case.violated(rule, f"{metric}(VAL: {value:.4f} Rule:{criterion.text})")
    return count


def _failure_check(case: _Case, rule: Rule, criterion: Criterion, metrics: Sequence[str]) -> int:
    count = 0
    for wanted in rule.metrics:
        matched = [metric for metric in metrics if re.search(wanted, metric)]
        missing = [case.missing(metric) for metric in matched]
        if not matched:
            case.violated(rule, f"{wanted}_miss")
        count += any(missing) or not matched
    count += _value(case, rule, criterion, metrics)
    case.details[:] = dict.fromkeys(case.details)
    return count


def _multi_rules(case: _Case, rule: Rule, criterion: Criterion, _metrics: Sequence[str]) -> int:
    """One where it holds; none where what it looks at was not measured."""
    try:
        holds = criterion(case.stored)
    except KeyError as error:
        raise ConfigurationError(
            f"rule {rule.name}: nothing is stored as {error}", hint="say `store: true` in the rule that it names"
        ) from None
    except ValueError:
        return 0
    if not isinstance(holds, bool):
        raise _no_truth(rule, criterion)
    if holds:
        case.violated(rule, f"{rule.name}:{criterion.text}")
    return int(holds)


def _present(case: _Case, metrics: Sequence[str]) -> Iterator[tuple[str, float]]:
    """The metrics that the host has; the others are noted as missing."""
    for metric in metrics:
        if not case.missing(metric) and (value := case.node.figures.get(metric)) is not None:
            yield metric, value


def _holds(rule: Rule, criterion: Criterion, value: float) -> bool:
    try:
        holds = criterion(value)
    except ValueError as error:
        raise ConfigurationError(f"rule {rule.name}: {error}") from None
    if not isinstance(holds, bool):
        raise _no_truth(rule, criterion)
    return holds


def _no_truth(rule: Rule, criterion: Criterion) -> ConfigurationError:
    return ConfigurationError(
        f"rule {rule.name}: `{criterion.text}` says neither true nor false", hint="compare, as in `lambda x: x > 0`"
    )


def _baseline_of(baseline: Mapping[str, float], metric: str) -> float | None:
    """The metric's own, else that of its name without the rank, else its benchmark's."""
    short = metric.rpartition(":")[0] if ":" in metric else metric.partition("/")[0]
    return baseline.get(metric, baseline.get(short))


_FUNCTIONS: Mapping[Function, Callable[[_Case, Rule, Criterion, Sequence[str]], int]] = {
    Function.VARIANCE: _variance,
    Function.VALUE: _value,
    Function.MULTI_RULES: _multi_rules,
    Function.FAILURE_CHECK: _failure_check,
}
