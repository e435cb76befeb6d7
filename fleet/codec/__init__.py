"""Text to model and back: the only home of pydantic and yaml. Whatever enters fleet is validated here, at the door."""

from importlib import import_module
from typing import TYPE_CHECKING

from fleet.codec.text import Malformed, dump, dump_line, load, load_line

if TYPE_CHECKING:
    from fleet.codec.inventory import load_inventory, parse_inventory
    from fleet.codec.playbook import load_playbook, parse_playbook

__all__ = [
    "Malformed",
    "dump",
    "dump_line",
    "load",
    "load_inventory",
    "load_line",
    "load_playbook",
    "parse_inventory",
    "parse_playbook",
]

_READERS = {
    "load_inventory": "fleet.codec.inventory",
    "load_playbook": "fleet.codec.playbook",
    "parse_inventory": "fleet.codec.inventory",
    "parse_playbook": "fleet.codec.playbook",
}
"""Readers of the files that people write, by their homes: loaded when asked for, as hosts have no yaml."""


def __getattr__(name: str) -> object:
    if name not in _READERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_READERS[name]), name)
