"""What of a deployment's settings is nobody's business: passwords, keys, and URLs that hold either."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

HIDDEN = "***"
_QUOTING = re.compile(r"(?s)((?:failed to read|interpolation)[^'\"`]*)['\"`].*")
SECRETIVE = "PASS|SECRET|KEY|TOKEN|CREDENTIAL|MNEMONIC|RPC_URL"
"""What the names of settings that are never shown have in them, however they are written."""
_SECRET = re.compile(SECRETIVE, re.IGNORECASE)
_LOGIN = re.compile(r"(?s)(://[^:/@\s]*):.*@")
_OPTION = re.compile(r"(?i)(--?[a-z-]*(?:pass|secret|key|token)[a-z-]*)([= ])(\S+)")
_ASSIGNED = re.compile(r"(?s)([A-Za-z_][A-Za-z0-9_]*)=(.*)")


def secretive(name: str) -> bool:
    """Whether a setting of this name is never shown: a node's URL often holds a key, too."""
    return _SECRET.search(name) is not None


def veiled(name: str, value: str) -> str:
    """A setting's value as it may be shown."""
    return HIDDEN if value and secretive(name) else veiled_text(value)


def veiled_text(text: str) -> str:
    """A text without the passwords of its URLs, and without what follows an option that asks for one."""
    return _OPTION.sub(rf"\1\2{HIDDEN}", _LOGIN.sub(rf"\1:{HIDDEN}@", text))


def veiled_complaint(text: str) -> str:
    """What Compose says is wrong, in one line, without what it quotes of an env file or a value: it may be secret."""
    return veiled_text(" ".join(_QUOTING.sub(rf"\1{HIDDEN}", text).split()))


def veiled_words(words: Sequence[str]) -> tuple[str, ...]:
    """A command as it may be shown."""
    shown: list[str] = []
    for word in words:
        follows = bool(shown) and shown[-1].startswith("-") and "=" not in shown[-1] and secretive(shown[-1])
        shown.append(HIDDEN if follows else veiled_text(word))
    return tuple(shown)


def veiled_tree(value: object, name: str = "") -> object:
    """A part of a compose file as it may be shown, whichever way its environment is written."""
    match value:
        case Mapping():
            return {key: veiled_tree(inner, str(key)) for key, inner in value.items()}
        case list() | tuple():
            return [_veiled_item(item) for item in value]
        case str():
            return veiled(name, value)
        case int() | float() if secretive(name) and not isinstance(value, bool):
            return HIDDEN
        case _:
            return value


def _veiled_item(item: object) -> object:
    """`NAME=value` of an environment, or a word of a command."""
    if isinstance(item, str) and (pair := _ASSIGNED.fullmatch(item)):
        return f"{pair[1]}={veiled(pair[1], pair[2])}"
    return veiled_tree(item)
