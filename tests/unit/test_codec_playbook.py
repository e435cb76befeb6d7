"""Playbook files."""

from __future__ import annotations

import textwrap

import pytest

from fleet.codec import parse_playbook, playbook
from fleet.errors import ConfigurationError
from fleet.model.playbook import DirectoryStep, FileStep, PythonStep, ScriptStep

EXAMPLE = textwrap.dedent((playbook.__doc__ or "").split("code-block:: yaml\n\n")[1].split("\n`{{")[0])
"""The file that the format's description shows."""


def test_the_example_of_the_format() -> None:
    """The file in the format's description is read as it says; what is in braces is left for provisioning."""
    book = parse_playbook(EXAMPLE, "playbooks/agent.yaml")
    assert (book.name, book.path) == ("agent", "playbooks/agent.yaml")
    assert book.steps == (
        DirectoryStep(name="the folder is there", path="{{ host.work_dir }}", mode="0700"),
        FileStep(name="the note is there", path="{{ host.work_dir }}/note", content="fleet\n", mode="0600"),
        PythonStep(
            name="Ray is there",
            python="{{ host.python }}",
            venv="{{ host.work_dir }}/venv",
            requires=("ray==2.60.0",),
        ),
        ScriptStep(name="the clock is kept", unless="pgrep -x chronyd", run="systemctl start chronyd"),
        ScriptStep(name="the disk is large", unless="test -d /data", run=None),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: b", "p.yaml:1: expected a list, found a mapping"),
        ("- a", '[0]: expected a mapping, found "a"'),
        ("- {name: x}", "[0].kind: is missing"),
        ("- {name: x, kind: fil}", 'script, found "fil"; did you mean `file`?'),
        ("- {name: x, kind: directory, path: a}\n- {name: y, kind: directory}", "p.yaml:2: [1].path: is missing"),
        ("- {name: x, kind: directory, path: a, mod: 1}", "[0].mod: unknown field; did you mean `mode`?"),
        ("- {name: x, kind: directory, path: a, mode: rwx}", 'mode: expected a mode such as 0700, found "rwx"'),
        ("- {name: x, kind: file, path: a, content: b, mode: 0888}", "mode: expected a mode such as 0700"),
        ("- {name: x, kind: python, python: a, requires: ray}", "[0].requires: expected a list"),
        ("- {name: x, kind: python, python: a, requires: [ray]}", "requires[0]: expected a pin such as ray==2.60.0"),
        ("- {name: x, kind: python, python: [a], requires: []}", "[0].python: expected text, found a list"),
        ("- {name: x, kind: script, unless: a, run: b}\n" * 2, "p.yaml:2: [1].name: is the name of step 1 already"),
        ("- {name: x, kind: directory, path: {{ host.work_dir }}}", 'stands in quotes: "{{ … }}"'),
    ],
)  # fmt: skip
def test_mistakes(text: str, said: str) -> None:
    """A mistake is told with file, line, field, what was expected, and the nearest right name."""
    with pytest.raises(ConfigurationError) as caught:
        parse_playbook(text, "p.yaml")
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_open_versions() -> None:
    """A pin may leave its version to provisioning, but not its name."""
    step = "- {name: x, kind: python, python: a, requires: ['ray[default]=={{ ray.version }}', '%s==1.0+cu12']}"
    (python,) = parse_playbook(step % "torch", "p.yaml").steps
    assert isinstance(python, PythonStep)
    assert python.requires == ("ray[default]=={{ ray.version }}", "torch==1.0+cu12")
    with pytest.raises(ConfigurationError, match=r"requires\[1\]: expected a pin"):
        parse_playbook(step % "a b", "p.yaml")
