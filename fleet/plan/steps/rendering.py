"""One text filled with variables: plain names here, all else by Jinja, which is loaded when a text needs it.

Values do not go through Jinja's output: each stands as a mark in what it renders, and the marks are filled afterwards,
as the place wants it. So a value is quoted by what stands around it, and a secret is never seen by a filter.
"""

from __future__ import annotations

import operator
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from typing import Any

from fleet.model.playbook import Secret

Value = str | tuple[str, ...] | Secret
"""What a variable of a playbook holds."""
LIMIT = 2**20
"""Characters that one text may come to, and that an operation may give."""

_MARK = re.compile("\0([0-9]+)\0")
# A dot after the braces is a Go template, as docker's --format takes it. Jinja would change carriage returns.
_LITERAL = re.compile(r"\{\{\s*\.[^{}]*\}\}|\r")
# What a shell text is made of as long as no quote is open at its end.
_SHELL_WORDS = re.compile(
    r"""(?:(?<![^\s;&|()])\#[^\n]*|[^'"\\#]|\\.|(?<=[^\s;&|()])\#|'[^']*'|"(?:[^"\\]|\\.)*")*+""", re.DOTALL
)
_BLOCK = re.compile(r"\{[%#]")
_NAMED = re.compile(r"(?<!\{)\{\{\s*([A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)+)\s*\}\}")
_SHOWN = 60


class Way(Enum):
    """How a text is filled: values as they are; as quoted words; as they are, with loops and conditions allowed."""

    TEXT = auto()
    SCRIPT = auto()
    TEMPLATE = auto()


def environment(variables: Mapping[str, Value]) -> Mapping[str, Secret]:
    """The secrets among the variables, by the names of the environment variables that scripts know them by."""
    secrets = sorted((name, value) for name, value in variables.items() if isinstance(value, Secret))
    return {f"FLEET_SECRET_{at}": value for at, (_, value) in enumerate(secrets)}


def render(text: str, way: Way, variables: Mapping[str, Value]) -> str:
    """One text filled. ValueError, in one line, for what cannot be: an unknown variable comes with the nearest name."""
    if "{{" not in text and (way is not Way.TEMPLATE or not _BLOCK.search(text)):
        return text
    if "\0" in text:
        raise ValueError("the text has a zero byte")
    kept: list[Any] = []

    def keep(value: Any) -> str:
        kept.append(value)
        return f"\0{len(kept) - 1}\0"

    rendered = _named(text, way, variables, keep) or _rendered(text, way, variables, keep)
    return _put(rendered, kept, _in_script(variables) if way is Way.SCRIPT else _in_text)


def _named(text: str, way: Way, variables: Mapping[str, Value], keep: Callable[[Any], str]) -> str:
    """The text with marks, where nothing but known names stand between its braces; else nothing, and Jinja is asked.

    Most texts are such, and for those that are Jinja need not even be loaded.
    """
    if "\r" in text or (way is Way.TEMPLATE and _BLOCK.search(text)):
        return ""
    parts = _NAMED.split(text)
    names = parts[1::2]
    if any("{{" in plain for plain in parts[::2]) or any(name not in variables for name in names):
        return ""
    marks = [keep(Held(name, value) if isinstance(value := variables[name], Secret) else value) for name in names]
    return "".join(map(operator.add, parts[::2], (*marks, "")))


def _rendered(text: str, way: Way, variables: Mapping[str, Value], keep: Callable[[Any], str]) -> str:
    """The text with marks, as Jinja renders it."""
    from fleet.plan.steps.jinja import Unfilled, rendered  # noqa: PLC0415 (takes as long to load as a host takes to answer)

    source = text if way is Way.TEMPLATE else _LITERAL.sub(lambda found: keep(_Literal(found[0])), text)
    try:
        whole = rendered(source, variables, keep, blocks=way is Way.TEMPLATE)
    except Unfilled as error:
        raise ValueError(f"`{brief(text)}` cannot be filled{error}") from None
    return whole.replace("\n", "\r\n") if way is Way.TEMPLATE and "\r\n" in text else whole


class _Literal(str):
    """Text of the source that Jinja must not see."""

    __slots__ = ()


class Held:
    """A secret on its way: it has no text that a filter could take."""

    __slots__ = ("_name", "_secret")

    def __init__(self, name: str, secret: Secret) -> None:
        self._name = name
        self._secret = secret

    def __str__(self) -> str:
        raise TypeError(f"`{self._name}` is a secret and must stand alone between the braces")


def _opened(held: Held) -> tuple[str, str]:
    """A secret's variable and its text."""
    return held._name, held._secret.value  # noqa: SLF001 (hidden from playbooks, not from here)


def _put(rendered: str, kept: Sequence[Any], word: Callable[[Any, str], str]) -> str:
    """The marks filled; `word` gives what stands for a value after what came before it."""
    parts = _MARK.split(rendered)
    whole = parts[0]
    for mark, after in zip(parts[1::2], parts[2::2], strict=True):
        value = kept[int(mark)]
        whole += (value if isinstance(value, _Literal) else word(value, whole)) + after
        if len(whole) > LIMIT:
            raise ValueError(f"it comes to more than {LIMIT:,} characters")
    return whole


def _in_text(value: Any, before: str) -> str:
    del before
    return _opened(value)[1] if isinstance(value, Held) else _plain(value)


def _in_script(variables: Mapping[str, Value]) -> Callable[[Any, str], str]:
    names = {secret.value: name for name, secret in environment(variables).items()}

    def word(value: Any, before: str) -> str:
        between = _open_quote(before)
        if isinstance(value, Held):
            said, secret = _opened(value)
            quoted = f'"${names[secret]}"'
        else:
            said = " ".join(map(_plain, value)) if isinstance(value, tuple | list) else _plain(value)
            quoted = " ".join(
                shlex.quote(_plain(item)) for item in (value if isinstance(value, tuple | list) else [value])
            )
        if quoted != said and between:
            raise ValueError(
                f"`{brief(said)}` is {brief(quoted)} here and stands between quotes: write it without them"
            )
        return quoted

    return word


def _open_quote(before: str) -> str:
    """The quote that the end of a shell text stands in: `'`, `"`, or none. Comments and escapes are seen through."""
    return _SHELL_WORDS.sub("", before)[:1]


def _plain(value: Any) -> str:
    """A value as text. ValueError for what has none that everybody would expect."""
    match value:
        case bool():
            text = "true" if value else "false"
        case str() | int() | float():
            text = str(value)
        case tuple() | list():
            raise ValueError("a list has no text of its own: write {{ … | join(', ') }}")
        case _:
            raise ValueError("it has no value: name one of its fields")
    return text


def brief(text: str) -> str:
    """The text in one short line."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"
