"""Figures in the operator's own words, once it is known which fleet a command is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fleet.model.inventory import Inventory


def speak_as(inventory: Inventory) -> None:
    """Say rates, settings and devices as this fleet has them, from now on."""
    from dataclasses import replace

    from fleet.model.command import idiom_of
    from fleet.model.inventory import DeviceKind
    from fleet.units import speak

    idiom = idiom_of(inventory.command)
    cores = all(device.kind is DeviceKind.CPU for host in inventory.hosts for device in host.devices)
    speak(replace(idiom, device="core") if cores else idiom)
