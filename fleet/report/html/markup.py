"""HTML as a value: an `Html` is markup, a `str` is text and is escaped wherever it is put. There is no other way in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from types import MappingProxyType

from fleet.report.lines import clean, tied

Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]
"""What a plot is described in; Plotly's own vocabulary."""

_NONE: Mapping[str, str] = MappingProxyType({})
_PLAIN = re.compile(r"[a-z]+(-[a-z]+)*:?\Z")
_MANY = 60
"""Rows of a table that scrolls by itself instead of making the page longer."""
_VOID = frozenset({"meta", "br"})
_COPIED = frozenset({"code"})
"""Texts that people copy into a shell: nothing in them is changed."""


@dataclass(frozen=True, slots=True)
class Html:
    """Markup that is safe to show as it is."""

    markup: str


Node = Html | str


def el(name: str, *children: Node, at: Mapping[str, str] = _NONE) -> Html:
    """One element; texts in it and values of its attributes are cleaned of control characters and escaped."""
    attributes = "".join(f' {key}="{_text(value)}"' for key, value in at.items())
    if name in _VOID:
        return Html(f"<{name}{attributes}>")
    write = _text if name in _COPIED else _prose
    inner = "".join(child.markup if isinstance(child, Html) else write(child) for child in children)
    return Html(f"<{name}{attributes}>{inner}</{name}>")


def join(nodes: Iterable[Node]) -> Html:
    """The nodes one after another."""
    return Html("".join(node.markup if isinstance(node, Html) else _prose(node) for node in nodes))


def _prose(text: str) -> str:
    """A text for reading: no line ends between a figure and its unit."""
    return _text(tied(text))


def _text(text: str) -> str:
    return escape(clean(text), quote=True)


def label(text: str) -> str:
    """A text for a plot: cleaned, and escaped once more, since Plotly reads tags and entities in its texts."""
    return escape(clean(text), quote=False)


def data(value: Json) -> str:
    """JSON that can stand inside a script element: no `<`, `>` or `&` that could end or open anything."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def cls(names: str) -> Mapping[str, str]:
    """The one attribute that most elements have."""
    return {"class": names}


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a table's column; `right` aligns figures."""

    title: str
    right: bool = False


def heads(*titles: str) -> tuple[Head, ...]:
    """Column heads; a title that starts with `>` aligns its column right."""
    return tuple(Head(title.removeprefix(">"), right=title.startswith(">")) for title in titles)


def table(name: str, columns: Sequence[Head], rows: Iterable[Sequence[Node]], *, caption: str = "") -> Html:
    """A table whose first column heads its rows; a column that is empty in every row is left out.

    Its `name` is read aloud, a `caption` shown above it. It scrolls sideways by itself where it is too wide.
    """
    rows = list(rows)
    filled = [at for at, _ in enumerate(columns) if any(row[at] for row in rows)]
    columns, rows = [columns[at] for at in filled], [[row[at] for at in filled] for row in rows]
    body = [
        el(
            "tr",
            *(
                el(
                    "td" if at else "th",
                    cell,
                    at={**({} if at else {"scope": "row"}), **(cls("num") if column.right else {})},
                )
                for at, (column, cell) in enumerate(zip(columns, row, strict=True))
            ),
        )
        for row in rows
    ]
    top = el("tr", *(el("th", c.title, at={"scope": "col", **(cls("num") if c.right else {})}) for c in columns))
    height = " long" if len(rows) > _MANY else ""
    shown = [el("caption", caption)] if caption else []
    inner = el("table", *shown, el("thead", top), el("tbody", *body), at={} if caption else {"aria-label": name})
    # Focusable, so that the keyboard can scroll it.
    return el("div", inner, at={"class": f"scroll{height}", "tabindex": "0", "role": "region", "aria-label": name})


def sentence(text: str) -> Html:
    """The text with its first letter in capitals, where that is a plain word and no name; `this` is shown as code."""
    first, _, rest = text.partition(" ")
    return coded(f"{first.capitalize()} {rest}".rstrip() if _PLAIN.match(first) else text)


def coded(text: str) -> Html:
    """The text, with what stands between backquotes as code."""
    parts = text.split("`")
    if not len(parts) % 2:
        return join([text])
    return join(el("code", part) if at % 2 else part for at, part in enumerate(parts))


def bullets(texts: Iterable[Node]) -> Html:
    """A list; nothing where there is nothing to list."""
    items = [el("li", text) for text in texts]
    return el("ul", *items) if items else Html("")


def more(summary: str, *children: Node, is_open: bool = False) -> Html:
    """What is shown when asked for; on paper only where it was open."""
    return el("details", el("summary", summary), *children, at={"open": ""} if is_open else _NONE)
