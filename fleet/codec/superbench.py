"""SuperBench's files: results-summary.jsonl, diagnosis rules in YAML, baselines in JSON. Nothing is evaluated."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from fleet.analyse.criteria import Criterion, criterion
from fleet.analyse.diagnosis import Function, NodeResults, Rule
from fleet.codec.document import Document, parse_document, read_file
from fleet.errors import ConfigurationError

LARGEST = 256 * 2**20
"""Bytes of a file of results or of a baseline."""
_LONGEST_NAME = 300
_FIELDS = frozenset({"function", "criteria", "categories", "metrics", "store"})
_SHOWN = 60


def load_results(path: str) -> tuple[NodeResults, ...]:
    """The hosts in a results-summary.jsonl. ConfigurationError with file, line and what was expected."""
    found: dict[str, NodeResults] = {}
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        content = _object(line, where)
        node = content.pop("node", None)
        if not isinstance(node, str) or not node:
            raise ConfigurationError(f"{where}: expected the host's name as `node`")
        if node in found:
            raise ConfigurationError(f"{where}: {_shown(node)} has a line already")
        found[node] = NodeResults(node=node, figures=_figures(content, where, gaps=True))
    if not found:
        raise ConfigurationError(f"{path}: expected a line of JSON for each host, found none")
    return tuple(found.values())


def load_baseline(path: str) -> Mapping[str, float]:
    """Figures by metric. ConfigurationError."""
    figures = _figures(_object(_text(path), path), path, gaps=False)
    return {name: value for name, value in figures.items() if value is not None}


def load_rules(path: str) -> tuple[Rule, ...]:
    """The rules under `superbench.rules`. ConfigurationError with file, line and field."""
    document = parse_document(read_file(path), path)
    top = document.value.get("superbench") if isinstance(document.value, dict) else None
    rules = top.get("rules") if isinstance(top, dict) else None
    if not isinstance(rules, dict) or not rules:
        raise ConfigurationError(f"{path}: expected rules under superbench.rules, found none")
    return tuple(_rule(document, name, content) for name, content in rules.items())


def _rule(document: Document, name: str, content: Any) -> Rule:
    at = ("superbench", "rules", name)
    if not isinstance(content, dict):
        raise document.error(at, "expected the fields of a rule")
    for unknown in sorted(set(content) - _FIELDS):
        raise document.error((*at, unknown), f"a rule has {', '.join(sorted(_FIELDS))}")
    store = content.get("store", "false").lower() if isinstance(content.get("store", "false"), str) else ""
    if store not in {"true", "false"}:
        raise document.error((*at, "store"), "expected true or false")
    categories = content.get("categories")
    if not isinstance(categories, str):
        raise document.error(at, "categories: is missing: what a violation is called")
    metrics = content.get("metrics", [])
    metrics = [metrics] if isinstance(metrics, str) else metrics
    if not isinstance(metrics, list) or not all(
        isinstance(each, str) and len(each) <= _LONGEST_NAME for each in metrics
    ):
        raise document.error((*at, "metrics"), "expected names of metrics, or expressions for them")
    function = _function(document, at, content.get("function"))
    rule = Rule(
        name=name,
        categories=categories,
        function=function,
        criterion=_criterion(document, at, content.get("criteria")),
        metrics=tuple(metrics),
        store=store == "true",
    )
    _need_whole(document, at, rule)
    return rule


def _need_whole(document: Document, at: tuple[str, ...], rule: Rule) -> None:
    """A rule that is not only there to store figures has a function, a criterion and, but for one kind, metrics."""
    if not rule.store and rule.function is None:
        raise document.error(at, f"function: is missing: one of {', '.join(Function)}")
    if (rule.criterion is None) is not (rule.function is None) and not (rule.store and rule.criterion is None):
        raise document.error(at, "function and criteria go together")
    if rule.function is not Function.MULTI_RULES and not rule.metrics:
        raise document.error(at, "metrics: is missing: which figures the rule is about")


def _function(document: Document, at: tuple[str, ...], text: Any) -> Function | None:
    if text is None:
        return None
    if text not in set(Function):
        raise document.error((*at, "function"), f"expected one of {', '.join(Function)}, found {_shown(text)}")
    return Function(text)


def _criterion(document: Document, at: tuple[str, ...], text: Any) -> Criterion | None:
    if text is None:
        return None
    try:
        return criterion(text) if isinstance(text, str) else None
    except ValueError as error:
        raise document.error((*at, "criteria"), str(error)) from None


def _text(path: str) -> str:
    return read_file(path, kind="JSON", most=LARGEST)


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise ConfigurationError(f"{where}: expected a JSON object, found {_shown(text)}")
    return content


def _figures(content: Mapping[str, Any], where: str, *, gaps: bool) -> dict[str, float | None]:
    """Figures by name; `gaps`: null and NaN stand for one that is missing."""
    found: dict[str, float | None] = {}
    for name, value in content.items():
        if len(name) > _LONGEST_NAME:
            raise ConfigurationError(f"{where}: a name of more than {_LONGEST_NAME} characters")
        missing = value is None or (isinstance(value, float) and math.isnan(value))
        if missing and gaps:
            found[name] = None
        elif isinstance(value, int | float) and math.isfinite(value):
            found[name] = value
        else:
            raise ConfigurationError(f"{where}: {_shown(name)}: expected a figure, found {_shown(value)}")
    return found


def _shown(value: Any) -> str:
    text = "".join(each if each.isprintable() else "?" for each in str(value))
    return f"`{text[:_SHOWN]}{'…' if len(text) > _SHOWN else ''}`"
