"""How a run of the inventory's command is written out, and how its figure is read from what it printed. Pure."""

from __future__ import annotations

import json
import math
import re
import shlex
import warnings
from collections.abc import Mapping
from string import Formatter
from typing import TYPE_CHECKING, Any

from fleet.model.command import CommandSettings, Metric

if TYPE_CHECKING:  # every inventory is read with this module, and few have a command to be run
    from fleet.model.wire import Execute

PLACES = ("host", "device", "slot", "item", "agents")
"""What a command may ask for besides its knobs: where it runs, its device's number on the host, which of the agents on
that device it is, which run of the job, and how many agents run in all."""

LONGEST_PATTERN = 300
_BRACES = "`{{` and `}}` are the braces themselves"
_GROUPED = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")
_SHOWN = 60


def placeholders(text: str) -> tuple[str, ...]:
    """The names in braces. ValueError where braces are used for anything else."""
    try:
        parts = [(name, spec or conversion) for _, name, spec, conversion in Formatter().parse(text)]
    except ValueError as error:
        raise ValueError(f"{error}; {_BRACES}".lower()) from None
    names = tuple(name for name, _ in parts if name is not None)
    if any(more for _, more in parts) or not all(name.isidentifier() for name in names):
        raise ValueError(f"expected a name in braces, such as {{batch}}; {_BRACES}")
    return names


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with every name in braces replaced; only names are looked at, so no value can reach further."""
    return "".join(literal + ("" if name is None else values[name]) for literal, name, _, _ in Formatter().parse(text))


def values_of(command: CommandSettings, run: Execute, device: int) -> dict[str, str]:
    """What stands for the names in one run; `device`: its number among the host's devices of its kind."""
    places = (run.agent.host, device, run.agent.slot, run.item, run.agents)
    return dict(zip(PLACES, map(str, places), strict=True)) | dict(command.knob_values(run.position))


def argv_of(command: CommandSettings, values: Mapping[str, str]) -> tuple[str, ...]:
    """The program and its arguments; under `shell` values are quoted for it."""
    if command.shell:
        return "/bin/sh", "-c", filled(command.words[0], {name: shlex.quote(text) for name, text in values.items()})
    return tuple(filled(word, values) for word in command.words)


def pattern_problem(pattern: str) -> str | None:
    """What is wrong with an expression that a figure is to be read by; None where nothing is."""
    if len(pattern) > LONGEST_PATTERN:
        return f"expected at most {LONGEST_PATTERN} characters"
    try:
        with warnings.catch_warnings():  # of what a later Python may read otherwise
            warnings.simplefilter("error", FutureWarning)
            groups = re.compile(pattern).groups
    except (re.error, RecursionError, OverflowError, FutureWarning) as error:
        return f"not a regular expression: {error}"
    return None if groups else r"expected a group around the figure, such as ([0-9.]+) samples/s"


def read_figure(metric: Metric, printed: str) -> float:
    """The figure in what a run printed; above zero and finite. ValueError says what was found instead.

    A pattern that backtracks can take for ever on hostile text: the caller sets a time limit.
    """
    found = _matched(metric.pattern, printed) if metric.pattern is not None else _looked_up(metric.keys or (), printed)
    try:
        value = float(found.replace(",", "") if _GROUPED.fullmatch(found) else found)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ValueError(f"expected a figure above zero, found {_shown(found)}")
    return value


def _matched(pattern: str, printed: str) -> str:
    found = None
    for found in re.finditer(pattern, printed, re.MULTILINE):  # noqa: B007 (the last match is the final figure)
        continue
    if found is None:
        raise ValueError(f"nothing that it printed matches `{pattern}`; it ended with {_shown(_last_line(printed))}")
    return (found[1] or "").strip()


def _looked_up(keys: tuple[str, ...], printed: str) -> str:
    value: Any = _last_object(printed)
    for depth, key in enumerate(keys):
        try:
            value = value[int(key)] if isinstance(value, list) else value[key]
        except (KeyError, IndexError, TypeError, ValueError):
            raise ValueError(f"the JSON that it printed has no `{'.'.join(keys[: depth + 1])}`") from None
    return json.dumps(value) if isinstance(value, bool | list | dict | None) else str(value)


def _last_object(printed: str) -> Any:
    """All of what was printed as JSON, else its last line that is a JSON object."""
    for text in (printed, *reversed(printed.splitlines())):
        if text.lstrip().startswith(("{", "[")):
            try:
                return json.loads(text)
            except (ValueError, RecursionError):
                continue
    raise ValueError(f"it printed no JSON object; it ended with {_shown(_last_line(printed))}")


def _last_line(printed: str) -> str:
    return next((line.strip() for line in reversed(printed.splitlines()) if line.strip()), "")


def _shown(text: str) -> str:
    """What was printed, fit for a message."""
    tame = "".join(character if character.isprintable() else "?" for character in text)
    return f"`{tame[:_SHOWN]}{'…' if len(tame) > _SHOWN else ''}`" if tame else "nothing"
