"""`{{ host.work_dir }}` and its like, filled strictly by Jinja: a name that nobody knows is an error, never empty text.

The table in `kinds` says how a field is filled: a text takes a value as it is, a script takes it as one quoted word, a
template may have Jinja's loops and conditions, too. A secret stands for itself alone: no filter sees it. In a script it
is the name of an environment variable (`environment`), so that no text that is kept or shown holds it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from fleet.model.playbook import Step
from fleet.plan.steps.kinds import KINDS
from fleet.plan.steps.rendering import Value, Way, render

_UNFILLED = frozenset({"name", "tags"})
_ALONE = re.compile(r"\s*\{\{\s*([A-Za-z0-9_.]+)\s*\}\}\s*")


def fill(step: Step, variables: Mapping[str, Value]) -> Step:
    """The step with its variables filled. ValueError for an unknown one, with the nearest name.

    In shell text a value comes as one quoted word: write `df {{ host.work_dir }}`, without quotes around it. An item of
    a list that is nothing but the name of a list becomes that list's items.
    """
    kind = KINDS[type(step)]
    changed: dict[str, Any] = {}
    for field in dataclasses.fields(step):
        value = getattr(step, field.name)
        if field.name in _UNFILLED or value is None:
            continue
        way = Way.TEXT
        if field.name in kind.scripts or field.name in kind.template:
            way = Way.SCRIPT if field.name in kind.scripts else Way.TEMPLATE
        filled = _filled(value, way, variables)
        if filled != value:
            changed[field.name] = filled
    return dataclasses.replace(step, **changed)


def _filled(value: Any, way: Way, variables: Mapping[str, Value]) -> Any:
    match value:
        case str():
            return render(value, way, variables)
        case tuple():
            return tuple(filled for item in value for filled in _items(item, way, variables))
        case _:
            return value


def _items(item: Any, way: Way, variables: Mapping[str, Value]) -> tuple[Any, ...]:
    alone = _ALONE.fullmatch(item) if isinstance(item, str) else None
    if alone and isinstance(found := variables.get(alone[1]), tuple):
        return found
    return (_filled(item, way, variables),)
