"""Jinja, sandboxed, strict, and without anything that touches a disk; its only home."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, UndefinedError, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from fleet.model.playbook import Secret
from fleet.plan.steps.rendering import Held, Value, brief

_UNKNOWN = "unknown variable "
_OWN = "vars."
_KEEP = "\0keep"
_SWELLING = frozenset({"center", "expandtabs", "format", "format_map", "ljust", "rjust", "zfill"})

# The last three: what Jinja makes of a text is Python, and not always any, as with 1e400 or loops in twenty loops.
_UNFIT = (
    *(ArithmeticError, LookupError, TypeError, AttributeError, MemoryError, RecursionError),
    *(NameError, SyntaxError, AssertionError),
)


class Unfilled(Exception):  # noqa: N818 (it names the text, not the event)
    """A text cannot be filled; what follows these words."""


def rendered(source: str, variables: Mapping[str, Value], keep: Callable[[Any], str], *, blocks: bool) -> str:
    """The text that Jinja makes of a source, with what `keep` gives in the place of each value.

    `blocks`: loops and conditions are allowed. ValueError, in one line, for an unknown variable; Unfilled.
    """
    try:
        return _compiled(source, blocks=blocks).render({**_spaces(variables), _KEEP: keep})
    except UndefinedError as error:
        raise ValueError(_advice(str(error), variables)) from None
    except TemplateError as error:
        line = f", line {number} of it" if (number := getattr(error, "lineno", None)) else ""
        raise Unfilled(f"{line}: {brief(str(error))}") from None
    except _UNFIT as error:
        raise Unfilled(f": {brief(str(error) or type(error).__name__)}") from None


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
        known[last] = Held(name, value) if isinstance(value, Secret) else value
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
def _compiled(source: str, *, blocks: bool) -> Template:
    return (_BLOCKS if blocks else _PLAIN).from_string(source)


def _advice(said: str, variables: Mapping[str, Value]) -> str:
    if not said.startswith(_UNKNOWN):
        return f"a variable cannot be used so: {brief(said)}"
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
