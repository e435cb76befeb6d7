"""Criteria of diagnosis rules, such as `lambda x: x < -0.05`, read by a parser of our own: nothing is ever evaluated.

A criterion is a lambda of one name over numbers and mappings of numbers. It may compare, reckon, choose (`a if b else
c`), index, and call `min`, `max`, `sum`, `len`, `abs`, `round`, `bool`, `any`, `all`, and `.values()` of a mapping.
There is no power, no text but a key, no comprehension and no other name, so it ends, and soon.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

Number = int | float | bool
Value = Number | Sequence[Number] | Mapping[str, "Value"]

LONGEST = 1000
"""Characters of a criterion."""
DEEPEST = 40
_LARGEST = 1e300

_BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARE: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_UNARY: dict[type[ast.unaryop], Callable[[float], float]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
}
_OF_MANY: dict[str, Callable[[Sequence[Number]], Number]] = {"min": min, "max": max, "sum": sum, "any": any, "all": all}
_OF_ONE: dict[str, Callable[[float], Number]] = {"abs": abs, "round": round, "bool": bool}


@dataclass(frozen=True, slots=True)
class Criterion:
    """A criterion as it was written, and the tree that it was read as."""

    text: str
    body: ast.expr

    def __call__(self, value: Value) -> Value:
        """What it says of a value. ValueError where it cannot be reckoned, KeyError for a key that is not there."""
        try:
            return _worth(self.body, value)
        except (TypeError, ZeroDivisionError, OverflowError) as error:
            raise ValueError(f"`{self.text}` cannot be reckoned: {error}") from None


def criterion(text: str) -> Criterion:
    """Read one. ValueError says what in it is not allowed."""
    if len(text) > LONGEST:
        raise ValueError(f"expected at most {LONGEST:,} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        why = error.msg if isinstance(error, SyntaxError) else str(error)
        raise ValueError(f"expected a criterion such as `lambda x: x > 0.05` ({why})") from None
    if not isinstance(tree, ast.Lambda) or len(tree.args.args) != 1 or _more(tree.args):
        raise ValueError("expected a lambda of one name, such as `lambda x: x > 0.05`")
    name = tree.args.args[0].arg
    _check(tree.body, name, 0)
    return Criterion(text, tree.body)


def _more(given: ast.arguments) -> bool:
    return bool(given.posonlyargs or given.kwonlyargs or given.vararg or given.kwarg or given.defaults)


def _check(node: ast.expr, name: str, depth: int) -> None:
    """Refuse whatever is not known to be harmless, before anything is reckoned. ValueError."""
    if depth > DEEPEST:
        raise ValueError(f"nested more than {DEEPEST} levels deep")
    form = _FORMS.get(type(node))
    parts = form.parts(node) if form else None
    if parts is None or (isinstance(node, ast.Name) and node.id != name):
        raise ValueError(f"`{ast.unparse(node)[:60]}` is not allowed in a criterion")
    for part in parts:
        _check(part, name, depth + 1)


@dataclass(frozen=True, slots=True)
class _Form:
    """A kind of expression: what an allowed one is made of (None: it is not allowed), and what it is worth."""

    parts: Callable[[Any], Sequence[ast.expr] | None]
    worth: Callable[[Any, Value], Value]


def _worth(node: ast.expr, given: Value) -> Value:
    return _FORMS[type(node)].worth(node, given)


def _number_of(node: ast.expr, given: Value) -> Number:
    return _number(_worth(node, given))


def _constant_parts(node: ast.Constant) -> Sequence[ast.expr] | None:
    return () if isinstance(node.value, int | float) and abs(node.value) <= _LARGEST else None


def _compared(node: ast.Compare, given: Value) -> bool:
    found = [_number_of(value, given) for value in (node.left, *node.comparators)]
    return all(_COMPARE[type(sign)](a, b) for sign, (a, b) in zip(node.ops, pairwise(found), strict=True))


def _joined(node: ast.BoolOp, given: Value) -> Value:
    """As Python has it: the first value that settles it."""
    value: Value = False
    for part in node.values:
        value = _worth(part, given)
        if bool(value) is isinstance(node.op, ast.Or):
            break
    return value


def _call_parts(node: ast.Call) -> Sequence[ast.expr] | None:
    if node.keywords:
        return None
    match node.func, node.args:
        case ast.Attribute(value=inner, attr="values"), []:
            return (inner,)
        case ast.Name(id="min" | "max"), [_, *_] as args:
            return args
        case ast.Name(id=function), [arg] if function in {*_OF_ONE, *_OF_MANY, "len"}:
            return (arg,)
    return None


def _called(node: ast.Call, given: Value) -> Value:
    if isinstance(node.func, ast.Attribute):
        return [_number(value) for value in _mapping(_worth(node.func.value, given)).values()]
    function = node.func.id if isinstance(node.func, ast.Name) else ""
    values = [_worth(arg, given) for arg in node.args]
    if function in _OF_ONE:
        return _OF_ONE[function](_number(values[0]))
    many = values[0] if len(values) == 1 else values
    if isinstance(many, Mapping):
        many = [_number(value) for value in many.values()]
    if not isinstance(many, Sequence):
        raise TypeError(f"{function} takes several numbers")
    return len(many) if function == "len" else _OF_MANY[function]([_number(value) for value in many])


def _number(value: object) -> Number:
    if isinstance(value, int | float):
        return value
    raise TypeError("a number was expected")


def _mapping(value: Value) -> Mapping[str, Value]:
    if isinstance(value, Mapping):
        return value
    raise TypeError("figures by name were expected")


_FORMS: dict[type[ast.expr], _Form] = {
    ast.Constant: _Form(_constant_parts, lambda node, _given: _number(node.value)),
    ast.Name: _Form(lambda _node: (), lambda _node, given: given),
    ast.UnaryOp: _Form(
        lambda node: (node.operand,) if type(node.op) in _UNARY else None,
        lambda node, given: _UNARY[type(node.op)](_number_of(node.operand, given)),
    ),
    ast.BinOp: _Form(
        lambda node: (node.left, node.right) if type(node.op) in _BINARY else None,
        lambda node, given: _BINARY[type(node.op)](_number_of(node.left, given), _number_of(node.right, given)),
    ),
    ast.BoolOp: _Form(lambda node: node.values, _joined),
    ast.Compare: _Form(
        lambda node: (node.left, *node.comparators) if all(type(sign) in _COMPARE for sign in node.ops) else None,
        _compared,
    ),
    ast.IfExp: _Form(
        lambda node: (node.test, node.body, node.orelse),
        lambda node, given: _worth(node.body if _worth(node.test, given) else node.orelse, given),
    ),
    ast.Subscript: _Form(
        lambda node: (
            (node.value,) if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str) else None
        ),
        lambda node, given: _mapping(_worth(node.value, given))[node.slice.value],
    ),
    ast.Call: _Form(_call_parts, _called),
}
"""Every kind of expression that may stand in a criterion."""
