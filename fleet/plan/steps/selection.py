"""Which steps are meant: several playbooks as one, and the steps that tags pick."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace

from fleet.errors import ConfigurationError
from fleet.model.playbook import Playbook


def joined(playbooks: Sequence[Playbook]) -> Playbook:
    """All their steps in order, as one playbook. A step that two have under one name is named after both."""
    if len(playbooks) == 1:
        return playbooks[0]
    seen: dict[str, str] = {}
    steps = []
    for playbook in playbooks:
        for step in playbook.steps:
            name = step.name if step.name not in seen else f"{step.name} ({playbook.name})"
            seen[name] = playbook.place(step.name)
            steps.append(replace(step, name=name))
    names = ", ".join(playbook.name for playbook in playbooks)
    return Playbook(
        name=names,
        path=", ".join(playbook.path for playbook in playbooks),
        steps=tuple(steps),
        places=tuple(seen.items()),
    )


def picked(playbook: Playbook, tags: Sequence[str], skipped: Sequence[str]) -> Playbook:
    """The steps that have one of the tags (all where none is asked for) and none of the skipped ones.

    ConfigurationError for a tag that no step has, with the nearest, or where no step is left.
    """
    known = sorted({tag for step in playbook.steps for tag in step.tags})
    for tag in (*tags, *skipped):
        if tag not in known:
            near = difflib.get_close_matches(tag, known, n=1)
            there = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(known) or 'none'}"
            raise ConfigurationError(f"{playbook.path}: no step has the tag `{tag[:64]}`", hint=there)
    steps = tuple(
        step
        for step in playbook.steps
        if (not tags or set(tags) & set(step.tags)) and not set(skipped) & set(step.tags)
    )
    if not steps:
        raise ConfigurationError(f"{playbook.path}: the tags leave no step")
    return replace(playbook, steps=steps)
