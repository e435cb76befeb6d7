"""An env file, assignment by assignment and letter by letter: a host is given those that it needs, quoted as they were.

What Compose makes of quotes differs from generation to generation, so none is read here: an assignment goes on to the
end of the line on which its value's closing quote is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

_BEGIN = re.compile(r"[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*[=:][ \t]*")
_REFERENCE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")
_CLOSING = {quote: re.compile(rf"(?<!\\){quote}") for quote in "'\""}
_WALLET = re.compile(r"PRIVATE_KEY|MNEMONIC|RPC_URL|RPC_KEY", re.IGNORECASE)


def assignments(text: str) -> Iterator[tuple[str, str]]:
    """The name and the text of each assignment, in order; comments are in none."""
    at = 0
    while at < len(text):
        end = _end_of_line(text, at)
        if begin := _BEGIN.match(text, at, end):
            closing = _CLOSING.get(text[begin.end() : begin.end() + 1])
            if closing and (close := closing.search(text, begin.end() + 1)):
                end = _end_of_line(text, close.end())
            yield begin[1], text[at:end]
        at = end + 1


def only(text: str, names: AbstractSet[str]) -> str:
    """The assignments of these variables, and of those that their values name."""
    found = tuple(assignments(text))
    wanted = set(names)
    while more := {name for own, said in found if own in wanted for name in references(said)} - wanted:
        wanted |= more
    return "".join(f"{said}\n" for name, said in found if name in wanted)


def without_wallet(text: str) -> str:
    """The assignments but for those of a broker's wallet and of its way to the chain: no agent signs anything."""
    return "".join(f"{said}\n" for name, said in assignments(text) if not _WALLET.search(name))


def references(text: str) -> frozenset[str]:
    """The variables that a text names, whether Compose's or, with a doubled dollar, a shell's."""
    return frozenset(_REFERENCE.findall(text))


def _end_of_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end
