"""Playbook files."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.codec import parse_playbook, playbook
from fleet.codec.tags import snake_case
from fleet.errors import ConfigurationError, ProvisionError
from fleet.model.playbook import DirectoryStep, FileStep, PythonStep, ScriptStep, Secret
from fleet.plan.shell.program import Answer
from fleet.plan.steps import change, prepare, question, undo
from fleet.plan.steps.kinds import KINDS
from fleet.plan.steps.rendering import Value
from fleet.plan.steps.selection import joined

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
        ScriptStep(
            name="the note is gone",
            unless="test ! -e /etc/note",
            run="mv /etc/note /etc/note.off",
            undo="mv /etc/note.off /etc/note",
            tags=("notes",),
            sudo=True,
        ),
        ScriptStep(name="the mark is there", creates="/srv/mark", run="umask 077; date >/srv/mark"),
    )


def test_the_examples_show_every_kind() -> None:
    """A kind that the description does not show is one that nobody finds."""
    more = textwrap.dedent((playbook.__doc__ or "").split("code-block:: yaml\n\n")[2])
    shown = [*parse_playbook(EXAMPLE, "a.yaml").steps, *parse_playbook(more, "b.yaml").steps]
    assert {type(step) for step in shown} == set(KINDS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: b", "p.yaml:1: expected a list, found a mapping"),
        ("- a", '[0]: expected a mapping, found "a"'),
        ("- {name: x}", "[0].kind: is missing"),
        ("- {name: x, kind: fil}", 'found "fil"; did you mean `file`?'),
        ("- {name: x, kind: directory, path: a}\n- {name: y, kind: directory}", "p.yaml:2: [1].path: is missing"),
        ("- {name: x, kind: directory, path: a, mod: 1}", "[0].mod: unknown field; did you mean `mode`?"),
        ("- {name: x, kind: directory, path: a, mode: rwx}", 'mode: expected a mode such as 0700, found "rwx"'),
        ('- {name: x, kind: directory, path: a, mode: "\\x1e"}', r'found "\x1e"'),
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


KNOWN = sorted(snake_case(kind.__name__).removesuffix("_step") for kind in KINDS)
FIELDS = sorted({field.name for kind in KINDS for field in dataclasses.fields(kind)})
VARIABLES: dict[str, Value] = {
    "host.name": "box",
    "host.work_dir": "/srv/a b",
    "vars.list": ("a", "b"),
    "vars.token": Secret("hunter2"),
}
scalars = st.one_of(
    st.sampled_from(
        ["{{ host.work_dir }}/x", "{{ vars.token }}", "{{ vars.list }}", "{{", "{% if %}", "present", "started", "true",
         "0644", "9", "-1", "/etc/x", "ray==1", "a=1*", "10.0.0.0/8", "8081", "20000-20299", "x" * 200, "\x1b[1m", ""]
    ),
    st.text(max_size=12),
)  # fmt: skip
values = st.one_of(scalars, st.lists(scalars, max_size=3), st.dictionaries(scalars, scalars, max_size=2))
sensible = st.builds(
    lambda kind, fields: {"name": "n", "kind": kind, **fields},
    st.sampled_from(KNOWN),
    st.dictionaries(st.sampled_from(FIELDS), values, max_size=8),
)


def whole(kind: type, given: dict[str, object]) -> dict[str, object]:
    """The step with all that its kind must have and nothing else."""
    needed = {
        field.name: "/a" if field.type == "str" else ["a"]
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING
    }
    own = {field.name for field in dataclasses.fields(kind)}
    return needed | {name: value for name, value in given.items() if name in own}


@settings(deadline=None, max_examples=200)
@given(
    st.one_of(
        st.lists(sensible, max_size=3),
        st.builds(
            lambda kind, fields: [
                {**whole(kind, fields), "name": "n", "kind": snake_case(kind.__name__).removesuffix("_step")}
            ],
            st.sampled_from(sorted(KINDS, key=lambda kind: kind.__name__)),
            st.dictionaries(st.sampled_from(FIELDS), values, max_size=3),
        ),
    ),
    st.builds(
        Answer,
        status=st.integers(1, 255),
        text=st.one_of(st.text(max_size=200), st.sampled_from(["absent", "differs\nx"])),
    ),
)
def test_no_playbook_and_no_answer_of_a_host_ends_in_a_traceback(steps: object, answer: Answer) -> None:
    """Any playbook is loaded or refused in one line, and any answer of a host gives a change or a refusal."""
    text = json.dumps(steps)  # which is YAML, too
    try:
        ready = prepare(parse_playbook(text, "p.yaml"), VARIABLES)
    except ConfigurationError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017 (being refused is one of two right outcomes)
        return
    for step in ready:
        assert question(step)
        with contextlib.suppress(ProvisionError):
            assert change(step, answer)
        assert undo(step, answer).reason is not None


@settings(deadline=None, max_examples=150)
@given(st.text(st.sampled_from("-{}[]:,'\"|>&*!%@` \n\tabk0#?\\"), max_size=60))
def test_any_text_is_a_playbook_or_is_refused_in_one_line(text: str) -> None:
    try:
        parse_playbook(text, "p.yaml")
    except ConfigurationError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017 (likewise)


def test_a_template_is_a_file_beside_the_playbook_with_all_that_jinja_has(tmp_path: Path) -> None:
    (tmp_path / "peers.j2").write_text("{% for it in fleet.addresses %}allow {{ it }}\n{% endfor %}")
    book = parse_playbook("[{name: n, kind: file, path: /n, template: peers.j2}]", str(tmp_path / "p.yaml"))
    (step,) = prepare(book, {"fleet.addresses": ("10.0.0.1", "10.0.0.2")})
    assert isinstance(step, FileStep)
    assert step.content == "allow 10.0.0.1\nallow 10.0.0.2\n"


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ("template: none.j2", r"p\.yaml:2: \[0\]\.template: there is no file .*none\.j2"),
        ("template: none.j2, content: x", r"p\.yaml:2: \[0\]: expected either `content`, or `template`"),
        ("mode: '0600'", r"p\.yaml:2: \[0\]: expected either `content`, or `template`"),
    ],
)
def test_a_file_has_its_text_from_one_place(tmp_path: Path, rest: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        parse_playbook(f"# mine\n- {{name: n, kind: file, path: /n, {rest}}}", str(tmp_path / "p.yaml"))


def test_a_step_that_cannot_be_filled_is_named_with_its_line() -> None:
    """In the playbook that it stands in, where several are applied as one."""
    one = parse_playbook("- {name: a, kind: group, group: g}", "one.yaml")
    two = parse_playbook(
        "- {name: a, kind: group, group: g}\n- {name: b, kind: group, group: '{{ nope }}'}", "two.yaml"
    )
    with pytest.raises(ConfigurationError, match=r"^two\.yaml:2: step `b`: unknown variable `nope`"):
        prepare(joined([one, two]), {})
