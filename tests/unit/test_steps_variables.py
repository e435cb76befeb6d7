"""Variables of a playbook: every one known is filled, every one unknown is an error with the nearest name."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.errors import ConfigurationError
from fleet.model.playbook import DirectoryStep, FileStep, Playbook, PythonStep, ScriptStep, Secret, Step
from fleet.plan.steps import prepare
from fleet.plan.steps.rendering import Value, Way, environment, render
from fleet.plan.steps.variables import fill

VARIABLES = {
    "host.name": "box",
    "host.work_dir": "/srv/a b",
    "host.python": "/usr/bin/python3",
    "ray.version": "2.60.0",
}


@pytest.mark.parametrize(
    ("step", "filled"),
    [
        (DirectoryStep(name="d", path="{{ host.work_dir }}/x"), DirectoryStep(name="d", path="/srv/a b/x")),
        (
            FileStep(name="f", path="/etc/{{host.name}}", content="{{ host.name }} {{  ray.version  }}\n"),
            FileStep(name="f", path="/etc/box", content="box 2.60.0\n"),
        ),
        (
            PythonStep(
                name="p", python="{{ host.python }}", requires=("ray=={{ ray.version }}",), venv="{{ host.name }}"
            ),
            PythonStep(name="p", python="/usr/bin/python3", requires=("ray==2.60.0",), venv="box"),
        ),
        (PythonStep(name="p", python="p", requires=()), PythonStep(name="p", python="p", requires=())),
        (
            ScriptStep(name="s", unless="df {{ host.work_dir }}", run="echo {{ host.name }}"),
            ScriptStep(name="s", unless="df '/srv/a b'", run="echo box"),
        ),
        (
            ScriptStep(name="s", unless="docker ps --format '{{.Names}}' | grep x"),
            ScriptStep(name="s", unless="docker ps --format '{{.Names}}' | grep x"),
        ),
    ],
    ids=["directory", "file", "python", "python without venv", "script, quoted", "Go template left alone"],
)
def test_a_step_is_filled(step: Step, filled: Step) -> None:
    assert fill(step, VARIABLES) == filled


def test_an_unknown_variable_names_playbook_step_and_the_nearest_name() -> None:
    playbook = Playbook(name="p", path="p.yaml", steps=(DirectoryStep(name="the folder", path="{{ host.wrok_dir }}"),))
    with pytest.raises(ConfigurationError) as caught:
        prepare(playbook, VARIABLES)
    expected = "p.yaml: step `the folder`: unknown variable `host.wrok_dir`, did you mean `host.work_dir`?"
    assert str(caught.value) == expected


def test_an_unknown_variable_without_a_near_name_lists_what_there_is() -> None:
    with pytest.raises(
        ValueError, match="there are host.name, host.python, host.work_dir, ray.version".replace(".", r"\.")
    ):
        fill(DirectoryStep(name="d", path="{{ zzz }}"), VARIABLES)


def test_a_value_that_makes_no_path_is_refused_with_the_step_named() -> None:
    playbook = Playbook(name="p", path="p.yaml", steps=(DirectoryStep(name="d", path="{{ host.name }}"),))
    with pytest.raises(ConfigurationError, match=r"p\.yaml: step `d`: .* is no path"):
        prepare(playbook, {"host.name": "a\nb"})


def test_a_value_that_needs_quotes_may_not_stand_between_some() -> None:
    """Inside double quotes the value's own quotes would be text, and the shell would run what is in it."""
    step = ScriptStep(name="s", unless='df "{{ host.work_dir }}"')
    with pytest.raises(ValueError, match="write it without them"):
        fill(step, {"host.work_dir": "$(reboot)"})
    assert fill(step, {"host.work_dir": "/srv"}) == ScriptStep(name="s", unless='df "/srv"')


@pytest.mark.parametrize("before", ["# it's a note\n", "echo ${#1} \"x\" 'y' ", "echo it\\'s ", "echo a#b's' "])
def test_quotes_that_are_closed_or_no_quotes_do_no_harm(before: str) -> None:
    filled = fill(ScriptStep(name="s", unless=before + "{{ host.work_dir }} {{ host.work_dir }}"), VARIABLES)
    assert filled == ScriptStep(name="s", unless=before + "'/srv/a b' '/srv/a b'")


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_value_in_a_script_is_one_word_whatever_it_is(value: str) -> None:
    filled = fill(ScriptStep(name="s", unless="df {{ v }} end"), {"v": value})
    assert isinstance(filled, ScriptStep)
    assert shlex.split(filled.unless) == ["df", value, "end"]


SECRET = Secret("s3cr'et")
RICH: dict[str, Value] = {"host.name": "box", "vars.peers": ("10.0.0.1", "a b"), "vars.token": SECRET}


@pytest.mark.parametrize(
    ("text", "way", "filled"),
    [
        ("{{ host.name | upper }}\r\n", Way.TEXT, "BOX\r\n"),
        ("{{ vars.port | default('22') }}", Way.TEXT, "22"),
        ("for x in {{ vars.peers }}; do", Way.SCRIPT, "for x in 10.0.0.1 'a b'; do"),
        (
            "printf '{%s}' ${#x} {# no comment #} {{ host.name }}",
            Way.SCRIPT,
            "printf '{%s}' ${#x} {# no comment #} box",
        ),
        ("{% for p in vars.peers %}\n{{ p }};\n{% endfor %}\nend\n", Way.TEMPLATE, "10.0.0.1;\na b;\nend\n"),
        ("{% if host.name == 'far' %}x{% endif %}y\r\n", Way.TEMPLATE, "y\r\n"),
        ("token={{ vars.token }}", Way.TEXT, "token=s3cr'et"),
        ("curl -H {{ vars.token }}", Way.SCRIPT, 'curl -H "$FLEET_SECRET_0"'),
    ],
)
def test_a_text_is_filled_as_its_place_wants_it(text: str, way: Way, filled: str) -> None:
    assert render(text, way, RICH) == filled
    assert environment(RICH) == {"FLEET_SECRET_0": SECRET}


@pytest.mark.parametrize(
    "text",
    [
        "{{ vars.token | upper }}",
        "{{ vars.token ~ 'a' }}",
        "{{ 'a' + vars.token }}",
        "{{ vars.token._secret }}",
        "{{ vars.peers }}",
        "{{ host }}",
        "{{ host._known }}",
        "{{ host.name.no }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ 'a' * 10**12 }}",
        "{{ 'a'.ljust(10000000000) }}",
        "{{ 1 / 0 }}",
        "{{ 1e400 }}",
        "{{ host.name | truncate(-9) }}",
        "{% for x in [1] %}" * 25 + "{% endfor %}" * 25,
        "{{ [1][5] }}",
        "{{ nope() }}",
        "{{",
        "{{ }}",
        "{% include '/etc/passwd' %}",
        "{% if %}",
        "{% for x in host %}{{ x }}{% endfor %}",
    ],
)
def test_what_cannot_be_filled_is_one_line_that_never_holds_the_secret(text: str) -> None:
    with pytest.raises(ValueError, match=r".{10}") as caught:
        render(text, Way.TEMPLATE, RICH)
    assert "\n" not in str(caught.value)
    assert SECRET.value not in str(caught.value)


def test_an_item_that_names_a_list_becomes_its_items() -> None:
    step = PythonStep(name="p", python="python3", requires=("a==1", "{{ vars.more }}"))
    filled = fill(step, {"vars.more": ("b==2", "c==3")})
    assert filled == PythonStep(name="p", python="python3", requires=("a==1", "b==2", "c==3"))


@settings(deadline=None)
@given(st.text(st.sampled_from("{}%# .\"'|()[]~*-+ab0\n\\"), max_size=24), st.sampled_from(Way))
def test_any_text_is_filled_or_refused(text: str, way: Way) -> None:
    """Nothing that stands in a playbook ends in a traceback."""
    try:
        render("{{" + text, way, RICH)
    except ValueError as error:
        assert "\n" not in str(error)  # noqa: PT017 (either outcome is fine, a message of two lines is not)


@pytest.mark.parametrize("known", [{}, {"vars.tier": "prod"}])
def test_a_variable_of_the_operator_s_that_is_not_stated_says_where_it_belongs(known: dict[str, Value]) -> None:
    with pytest.raises(ValueError, match=r"unknown variable `vars\.bento_dir`: state it under `vars` in the inventory"):
        render("cd {{ vars.bento_dir }}", Way.SCRIPT, {"host.name": "box", **known})
