"""Styled lines of text as values: what every screen of fleet is made of, and the tools to fit them into a width.

A `Span` cannot hold control characters or escape sequences, so nothing that a host said can steer a terminal.
Widths are in terminal cells; the screen that shows the lines decides what each style looks like.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])|\x9b[0-?]*[ -/]*[@-~]"
)
_BREAKS = re.compile(r"\r\n|[\t\n\v\f\r\x85\u2028\u2029]")
_INVISIBLE = frozenset({"Cc", "Cf"})
_UNPRINTABLE = frozenset({"Cs", "Co", "Cn"})
_WORDS = re.compile(
    r" +|\(?(?:± )?[^ ]*\d (?:%|[kMG]?Hz|ms|s|min|h|[KMGT]?i?B|W|[^ \d]+/s)(?=[ ,.;:)\]]|$)[^ ]*"
    r"|po2 \d[^ ]*|n = \d[^ ]*|± \d[^ ]*|\(?[A-Z]{3} \d[^ ]*|\[[-+.,\d]{1,16} [-+.,\d]{1,16}\][^ ]*|[^ ]+"
)
"""Spaces, or a word; one word are a figure and its unit, a segment size, an amount, an interval, how often."""
_ELLIPSIS = "…"
_TIE = "\u00a0"

_ASCII = {"×": "*", "–": "-", "—": "-", "−": "-", "…": "~", "·": ".", "•": "*", "→": ">", "▶": ">", "░": ".", "▒": "-"}
_ASCII |= {"█": "#", "┊": "|", "─": "-", "━": "=", "✓": "+", "✗": "x", "±": "~", "φ": "f", "η": "n", "≥": ">", "≤": "<"}
_ASCII |= {"│": "|", "├": "+", "└": "+"}
_ASCII |= dict.fromkeys("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "*")


class Style(StrEnum):
    """What a piece of text is, not what it looks like."""

    PLAIN = "plain"
    HEADING = "heading"
    STRONG = "strong"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    DIM = "dim"
    EMULATED = "emulated"


def clean(text: str) -> str:
    """The text without escape sequences, control and direction characters; breaks and tabs become one space."""
    text = _BREAKS.sub(" ", _ESCAPES.sub("", text))
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category in _UNPRINTABLE:
        return "?"
    # Variation selectors change the width of the character before them.
    return "" if category in _INVISIBLE or "\ufe00" <= character <= "\ufe0f" else character


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of one line in one style; its text is cleaned when it is made."""

    text: str
    style: Style = Style.PLAIN

    def __post_init__(self) -> None:
        """Clean the text."""
        object.__setattr__(self, "text", clean(self.text))


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a screen."""

    spans: tuple[Span, ...] = ()

    @property
    def text(self) -> str:
        """The line without its styles."""
        return "".join(span.text for span in self.spans)

    @property
    def width(self) -> int:
        """Terminal cells that the line takes."""
        return cells(self.text)


def cells(text: str) -> int:
    """Terminal cells that a clean text takes: two for a wide character, none for a combining one."""
    return len(text) if text.isascii() else sum(_cells(character) for character in text)


def _cells(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def clip(text: str, width: int) -> str:
    """At most `width` cells of the text, an ellipsis for what is missing."""
    text = clean(text)
    return text if cells(text) <= width else _head(text, width - 1) + _ELLIPSIS


def _head(text: str, width: int) -> str:
    """The longest beginning that takes at most `width` cells."""
    used = 0
    for index, character in enumerate(text):
        used += _cells(character)
        if used > width:
            return text[:index]
    return text


def pad(text: str, width: int, *, right: bool = False) -> str:
    """The text filled up to `width` cells; `right` puts it at the right."""
    space = " " * (width - cells(text))
    return space + text if right else text + space


def line(*spans: Span | str) -> Line:
    """A line of spans; a bare text is a plain one. Neighbours of one style are joined, spaces at the end dropped."""
    made = (span if isinstance(span, Span) else Span(span) for span in spans)
    joined = [
        Span("".join(span.text for span in group), style)
        for style, group in groupby((span for span in made if span.text), key=lambda span: span.style)
    ]
    while joined and joined[-1].text.endswith(" "):
        last = joined.pop()
        joined += [Span(kept, last.style)] if (kept := last.text.rstrip(" ")) else []
    return Line(tuple(joined))


def cut(found: Line, width: int) -> Line:
    """The line, at most `width` cells of it, an ellipsis for what is missing."""
    if found.width <= width:
        return found
    spans: list[Span] = []
    left = width
    for span in found.spans:
        if left > 0:
            spans.append(Span(clip(span.text, left), span.style))
            left -= cells(spans[-1].text)
    return line(*spans)


def tied(text: str) -> str:
    """The text with no-break spaces within its words, for who breaks lines without asking: a browser."""
    return "".join(word.replace(" ", _TIE) if word.strip(" ") else word for word in _WORDS.findall(text))


def wrap(spans: Iterable[Span | str], width: int, *, first: str = "", rest: str | None = None) -> tuple[Line, ...]:
    """The spans as one paragraph no wider than `width`: `first` leads its first line, `rest` the others.

    `rest` None = as many spaces as `first` takes. A word longer than a line is cut.
    """
    rest = " " * cells(first) if rest is None else rest
    lead, room = max(cells(first), cells(rest)), width - max(cells(first), cells(rest))
    lines: list[list[Span]] = [[]]
    used = 0
    for word in _pieces(line(*spans).spans, max(2, room)):
        size = cells(word.text)
        if lines[-1] and used + size > room:
            lines.append([])
            used = 0
        if not _blank(word) or lines[-1]:
            lines[-1].append(word)
            used += size
    return tuple(line(pad(rest if at else first, lead), *_ended(words)) for at, words in enumerate(lines))


def _pieces(spans: Sequence[Span], width: int) -> Iterator[Span]:
    """Words and the spaces between them, none wider than `width` (which is two at least: any character fits)."""
    for span in spans:
        for word in _WORDS.findall(span.text):
            left = word
            while cells(left) > width:
                head = _head(left, width)
                yield Span(head, span.style)
                left = left[len(head) :]
            yield Span(left, span.style)


def _ended(words: list[Span]) -> list[Span]:
    """The words without the spaces after the last one."""
    while words and _blank(words[-1]):
        words = words[:-1]
    return words


def _blank(word: Span) -> bool:
    """Whether it is where a line may break; a no-break space is a letter."""
    return not word.text.strip(" ")


def in_ascii(found: Line) -> Line:
    """The line for a terminal without Unicode; it takes as many cells as before."""
    return Line(tuple(Span("".join(map(_plain, span.text)), span.style) for span in found.spans))


def _plain(character: str) -> str:
    if character.isascii():
        return character
    known = _ASCII.get(character)
    if known is not None:
        return known
    base = unicodedata.normalize("NFKD", character)[0]
    return base if base.isascii() and _cells(character) == 1 else "?" * _cells(character)
