"""YAML texts with positions."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.codec.document import MAX_BYTES, parse_document
from fleet.errors import ConfigurationError

BOMB = "- &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"- &{letter} [{','.join(['*' + before] * 10)}]\n" for before, letter in zip("abcdefg", "bcdefgh", strict=True)
)


def refusal(text: str) -> str:
    """The one line that is said about a text."""
    with pytest.raises(ConfigurationError) as caught:
        parse_document(text, "f.yaml")
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_scalars_stay_text() -> None:
    """YAML's own guesses (on, octal, 3.10 as a number, dates, sexagesimals) do not happen."""
    text = "[on, 0700, 3.10, 2026-07-01, 1:30, 0x10, .inf, 'quoted', \"a\\nb\", !!int 3]"
    expected = ["on", "0700", "3.10", "2026-07-01", "1:30", "0x10", ".inf", "quoted", "a\nb", "3"]
    assert parse_document(text, "f.yaml").value == expected


def test_every_path_has_its_line() -> None:
    """Keys and items know their lines, and what is missing has the line of what it is missing from."""
    document = parse_document("a:\n  b: 1\n  c:\n    - d\n    - e: f\n", "f.yaml")
    assert document.value == {"a": {"b": "1", "c": ["d", {"e": "f"}]}}
    lines = {("a",): 1, ("a", "b"): 2, ("a", "c"): 3, ("a", "c", 0): 4, ("a", "c", 1, "e"): 5}
    assert {path: document.line(path) for path in lines} == lines
    assert document.line(("a", "c", 1, "missing", "below")) == 5
    assert document.line(("missing",)) == 1
    assert str(document.error(("a", "b"), "is odd", hint="even it")) == "f.yaml:2: a.b: is odd (even it)"


def test_aliases_are_followed() -> None:
    """An anchor saves writing; errors name the place that uses it."""
    assert parse_document("a: &x {b: c}\nd: *x", "f.yaml").value == {"a": {"b": "c"}, "d": {"b": "c"}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "f.yaml: is empty"),
        ("# nothing\n", "f.yaml: is empty"),
        ("a:\n\tb: 1", "f.yaml:2: not YAML: found character '\\t' that cannot start any token"),
        ("a:\n\tb: 1", "indent with spaces"),
        ("a: [1\nb: 2", "f.yaml:2: not YAML: expected ',' or ']'"),
        ("a: 'x\n", "begun on line 1"),
        ("a: b: c", "f.yaml:1: not YAML: mapping values are not allowed here"),
        ("a: {{ host }}", 'stands in quotes: "{{ … }}"'),
        ("a: {{ host }}/b", 'stands in quotes: "{{ … }}"'),
        ("a: b\n---\nc: d", "expected a single document"),
        ("a: *nowhere", "found undefined alias 'nowhere'"),
        ("a: b\nc: \x00", "f.yaml:2: character U+0000 is not allowed"),
        ("a: 1\nb: 2\na: 3", "f.yaml:3: a: given twice, first on line 1"),
        ("a:\n  b: {c: 1, c: 2}", "f.yaml:2: a.b.c: given twice, first on line 2"),
        ("a:\nb: 1", "f.yaml:1: a: is empty: give a value, or leave the field out"),
        ("a: ~", "a: is empty"),
        ("~: a", "is empty"),
        ("[a]: b", "expected a name before the colon"),
        ("a: !!python/object/apply:os.system [id]", "tags such as"),
        ("a: !mine b", "tags such as !mine are not allowed"),
        ("a: !!set {b}", "tags such as"),
        ("a: !!binary aGk=", "tags such as"),
        ("a: &x [*x]", "nested more than 16 levels deep"),
        ("[" * 100 + "]" * 100, "nested more than 16 levels deep"),
        ("[" * 1500, "nested more than 16 levels deep"),
        (BOMB, "more than 100,000 values"),
        ("a: " + "x" * MAX_BYTES, "f.yaml: larger than 1 MiB"),
        ("%YAML 3.0\n---\na: b", "f.yaml:1: not YAML: found incompatible YAML document"),
    ],
)
def test_refused(text: str, said: str) -> None:
    """What is no plain YAML is refused in one line with its place."""
    assert said in refusal(text)


@given(text=st.text(alphabet=string.printable + "é\u2028{}[]&*!|>%@`", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing but ConfigurationError comes out of any text."""
    try:
        parse_document(text, "f.yaml")
    except ConfigurationError as error:
        assert str(error).startswith("f.yaml")  # noqa: PT017 (most texts are refused, some are not)
