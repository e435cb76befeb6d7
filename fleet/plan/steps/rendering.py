"""One text filled with variables; the only home of Jinja, sandboxed, strict, and without anything that touches a disk.

Values do not go through Jinja's output: each stands as a mark in what it renders, and the marks are filled afterwards,
as the place wants it. So a value is quoted by what stands around it, and a secret is never seen by a filter.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, UndefinedError, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

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
_UNKNOWN = "unknown variable "
_OWN = "vars."
_KEEP = "\0keep"
_SHOWN = 60
_SWELLING = frozenset({"center", "expandtabs", "format", "format_map", "ljust", "rjust", "zfill"})


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
    if "{{" not in text and (way is not Way.TEMPLATE or not re.search(r"\{[%#]", text)):
        return text
    if "\0" in text:
        raise ValueError("the text has a zero byte")
    kept: list[Any] = []

    def keep(value: Any) -> str:
        kept.append(value)
        return f"\0{len(kept) - 1}\0"

    source = text if way is Way.TEMPLATE else _LITERAL.sub(lambda found: keep(_Literal(found[0])), text)
    try:
        rendered = _compiled(source, way).render({**_spaces(variables), _KEEP: keep})
    except UndefinedError as error:
        raise ValueError(_advice(str(error), variables)) from None
    except TemplateError as error:
        line = f", line {number} of it" if (number := getattr(error, "lineno", None)) else ""
        raise ValueError(f"`{_brief(text)}` cannot be filled{line}: {_brief(str(error))}") from None
    except (ArithmeticError, LookupError, TypeError, AttributeError, MemoryError, RecursionError) as error:
        raise ValueError(f"`{_brief(text)}` cannot be filled: {_brief(str(error) or type(error).__name__)}") from None
    if way is Way.TEMPLATE and "\r\n" in text:
        rendered = rendered.replace("\n", "\r\n")
    return _put(rendered, kept, _in_script(variables) if way is Way.SCRIPT else _in_text)


class _Literal(str):
    """Text of the source that Jinja must not see."""

    __slots__ = ()


class _Held:
    """A secret inside of Jinja: it has no text that a filter could take."""

    __slots__ = ("_name", "_secret")

    def __init__(self, name: str, secret: Secret) -> None:
        self._name = name
        self._secret = secret

    def __str__(self) -> str:
        raise TypeError(f"`{self._name}` is a secret and must stand alone between the braces")


def _opened(held: _Held) -> tuple[str, str]:
    """A secret's variable and its text."""
    return held._name, held._secret.value  # noqa: SLF001 (hidden from playbooks, not from here)


class _Space:
    """`host` in `host.name`: names and nothing else, so that no method of a mapping hides a name."""

    __slots__ = ("_known", "_prefix")

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._known: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        return self._known[name]


def _spaces(variables: Mapping[str, Value]) -> dict[str, Any]:
    top: dict[str, Any] = {"vars": _Space("vars")}  # so that one that is not stated is named whole
    for name, value in variables.items():
        *parents, last = name.split(".")
        known, at = top, ""
        for parent in parents:
            at = f"{at}.{parent}" if at else parent
            known = known.setdefault(parent, _Space(at))._known  # noqa: SLF001 (hidden from playbooks, not from here)
        known[last] = _Held(name, value) if isinstance(value, Secret) else value
    return top


class _Undefined(StrictUndefined):
    """Says the whole name that was looked for."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        match self._undefined_obj:
            case _Space(_prefix=prefix):
                return f"{_UNKNOWN}{prefix}.{self._undefined_name}"
            case found if found is missing:
                return f"{_UNKNOWN}{self._undefined_name}"
        return super()._undefined_message


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja without chance, and with bounds on what multiplies."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """The sandbox's own, without the methods of texts that make large ones of small ones."""
        return attr not in _SWELLING and super().is_safe_attribute(obj, attr, value)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """The sandbox's own, where its result is small."""
        if isinstance(left, str) or isinstance(right, str) or operator == "**" or isinstance(left, list | tuple):
            raise TypeError(f"`{operator}` is for small numbers here")
        return super().call_binop(context, operator, left, right)


@pass_context
def _finalize(context: Context, value: Any) -> str:
    if isinstance(value, StrictUndefined):
        str(value)
    kept: str = context[_KEEP](value)
    return kept


def _environment(*, blocks: bool) -> _Environment:
    # Shell text has `{%` (in a printf) and `{#` (in ${#1}) of its own: there the signs are what nobody can write.
    begin, end, remark, over = ("{%", "%}", "{#", "#}") if blocks else ("\0{%", "%}\0", "\0{#", "#}\0")
    made = _Environment(
        block_start_string=begin,
        block_end_string=end,
        comment_start_string=remark,
        comment_end_string=over,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=_Undefined,
        finalize=_finalize,
    )
    made.globals = {"range": made.globals["range"]}
    for name in ("random", *_SWELLING & made.filters.keys()):
        del made.filters[name]
    return made


_BLOCKS, _PLAIN = _environment(blocks=True), _environment(blocks=False)


@lru_cache(maxsize=4096)
def _compiled(source: str, way: Way) -> Template:
    return (_BLOCKS if way is Way.TEMPLATE else _PLAIN).from_string(source)


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
    return _opened(value)[1] if isinstance(value, _Held) else _plain(value)


def _in_script(variables: Mapping[str, Value]) -> Callable[[Any, str], str]:
    names = {secret.value: name for name, secret in environment(variables).items()}

    def word(value: Any, before: str) -> str:
        between = _open_quote(before)
        if isinstance(value, _Held):
            said, secret = _opened(value)
            quoted = f'"${names[secret]}"'
        else:
            said = " ".join(map(_plain, value)) if isinstance(value, tuple | list) else _plain(value)
            quoted = " ".join(
                shlex.quote(_plain(item)) for item in (value if isinstance(value, tuple | list) else [value])
            )
        if quoted != said and between:
            raise ValueError(
                f"`{_brief(said)}` is {_brief(quoted)} here and stands between quotes: write it without them"
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


def _advice(said: str, variables: Mapping[str, Value]) -> str:
    if not said.startswith(_UNKNOWN):
        return f"a variable cannot be used so: {_brief(said)}"
    name = said.removeprefix(_UNKNOWN)[:64]
    prefix = _OWN if name.startswith(_OWN) else ""
    alike = [known.removeprefix(prefix) for known in variables if known.startswith(prefix)]
    near = difflib.get_close_matches(name.removeprefix(prefix), alike, n=1)
    there = f"; there are {', '.join(sorted(variables))}"
    if near:
        there = f", did you mean `{prefix}{near[0]}`?"
    elif prefix:
        there = ": state it under `vars` in the inventory"
    return f"{_UNKNOWN}`{name}`{there}"


def _brief(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"
