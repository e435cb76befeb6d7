"""`{{ host.work_dir }}` and its like, filled strictly: a name that nobody knows is an error, never an empty text."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import assert_never

from fleet.model.playbook import DirectoryStep, FileStep, PythonStep, ScriptStep, Step

# A dot after the braces is a Go template, as docker's --format takes it.
_OPEN = re.compile(r"\{\{(?!\s*\.)(.*?)\}\}", re.DOTALL)


def fill(step: Step, variables: Mapping[str, str]) -> Step:
    """The step with its variables filled. ValueError for an unknown one, with the nearest name.

    In shell text a value comes as one quoted word: write `df {{ host.work_dir }}`, without quotes around it.
    """

    def text(value: str) -> str:
        return _filled(value, lambda name, _: _value(name, variables))

    def shell(value: str) -> str:
        return _filled(value, lambda name, before: _word(name, before, variables))

    match step:
        case DirectoryStep():
            return replace(step, path=text(step.path))
        case FileStep():
            return replace(step, path=text(step.path), content=text(step.content))
        case PythonStep():
            pins = tuple(text(pin) for pin in step.requires)
            return replace(step, python=text(step.python), requires=pins, venv=text(step.venv) if step.venv else None)
        case ScriptStep():
            return replace(step, unless=shell(step.unless), run=shell(step.run) if step.run else None)
        case _:
            assert_never(step)


def _filled(value: str, look_up: Callable[[str, str], str]) -> str:
    return _OPEN.sub(lambda found: look_up(found[1].strip(), value[: found.start()]), value)


def _value(name: str, variables: Mapping[str, str]) -> str:
    if name in variables:
        return variables[name]
    near = difflib.get_close_matches(name[:64], variables, n=1)
    raise ValueError(
        f"unknown variable `{name[:64]}`"
        + (f", did you mean `{near[0]}`?" if near else f"; there are {', '.join(sorted(variables))}")
    )


def _word(name: str, before: str, variables: Mapping[str, str]) -> str:
    value = _value(name, variables)
    word = shlex.quote(value)
    if word != value and (before.count('"') % 2 or before.count("'") % 2):
        raise ValueError(f"`{name}` is {word} here and stands between quotes: write it without them")
    return word
