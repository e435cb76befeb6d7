"""Inventories of other tools: each format becomes one neutral value, and that a commented inventory of fleet's own.

What cannot be carried over (vaults, expressions, passwords, fields that fleet has none for) is listed, never evaluated
and never copied. A dynamic inventory is refused: nothing here runs a program.
"""

from fleet.codec.foreign.chosen import choose
from fleet.codec.foreign.export import ansible_text
from fleet.codec.foreign.read import load_foreign, read_foreign
from fleet.codec.foreign.render import render
from fleet.codec.foreign.settle import Wishes, parse_devices
from fleet.codec.foreign.value import Foreign, ForeignGroup, ForeignHost, Format, Lost, Source

__all__ = [
    "Foreign",
    "ForeignGroup",
    "ForeignHost",
    "Format",
    "Lost",
    "Source",
    "Wishes",
    "ansible_text",
    "choose",
    "load_foreign",
    "parse_devices",
    "read_foreign",
    "render",
]
