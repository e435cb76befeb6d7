"""Figures in the operator's own words, once it is known which fleet a command is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fleet.model.inventory import Inventory


def speak_as(inventory: Inventory) -> None:
    """Say rates and settings as this fleet's command has them, from now on."""
    from fleet.model.command import idiom_of
    from fleet.units import speak

    speak(idiom_of(inventory.command))
