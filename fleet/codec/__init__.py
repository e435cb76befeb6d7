"""Text to model and back: the only home of pydantic and yaml. Whatever enters fleet is validated here, at the door."""

from fleet.codec.inventory import load_inventory, parse_inventory
from fleet.codec.playbook import load_playbook, parse_playbook
from fleet.codec.text import Malformed, dump, dump_line, load, load_line

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
