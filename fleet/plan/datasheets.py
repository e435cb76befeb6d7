"""PURE. What NVIDIA says its cards do: memory bandwidth and bus, from each model's data sheet or product brief."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LANE = {3: 985e6, 4: 1969e6, 5: 3938e6, 6: 7563e6}
"""Bytes per second of one lane by generation, after its encoding (PCI Express base specification)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Datasheet:
    """`memory` in bytes per second; the bus's `generation` and `lanes`. `source`: the document of NVIDIA's."""

    pattern: str
    memory: float
    generation: int
    lanes: int
    source: str

    @property
    def bus(self) -> float:
        """Bytes per second over the bus, one way."""
        return _LANE[self.generation] * self.lanes


def _sheet(pattern: str, gigabytes: float, generation: int, source: str, lanes: int = 16) -> Datasheet:
    return Datasheet(pattern=pattern, memory=gigabytes * 1e9, generation=generation, lanes=lanes, source=source)


DATASHEETS = (
    _sheet(r"H200", 4800, 5, "H200 Tensor Core GPU datasheet"),
    _sheet(r"H100 NVL", 3900, 5, "H100 Tensor Core GPU datasheet"),
    _sheet(r"H100 PCIe", 2000, 5, "H100 PCIe GPU product brief"),
    _sheet(r"H100 80GB HBM3", 3350, 5, "H100 Tensor Core GPU datasheet"),
    _sheet(r"A100-SXM4-80GB", 2039, 4, "A100 80GB datasheet"),
    _sheet(r"A100 80GB PCIe", 1935, 4, "A100 80GB datasheet"),
    _sheet(r"A100-(SXM4|PCIE)-40GB", 1555, 4, "A100 40GB datasheet"),
    _sheet(r"L40S?", 864, 4, "L40 and L40S datasheets"),
    _sheet(r"L4", 300, 4, "L4 datasheet"),
    _sheet(r"A40", 696, 4, "A40 datasheet"),
    _sheet(r"A10", 600, 4, "A10 datasheet"),
    _sheet(r"(Tesla )?T4", 320, 3, "T4 datasheet"),
    _sheet(r"RTX A6000", 768, 4, "RTX A6000 datasheet"),
    _sheet(r"RTX A5000", 768, 4, "RTX A5000 datasheet"),
    _sheet(r"RTX A4000", 448, 4, "RTX A4000 datasheet"),
    _sheet(r"RTX 6000 Ada Generation", 960, 4, "RTX 6000 Ada Generation datasheet"),
    _sheet(r"GeForce RTX 5090", 1792, 5, "GeForce RTX 5090 specifications"),
    _sheet(r"GeForce RTX 4090", 1008, 4, "GeForce RTX 4090 specifications"),
    _sheet(r"GeForce RTX 3090", 936, 4, "GeForce RTX 3090 specifications"),
)
"""By the driver's name of the model, after `NVIDIA`; variants that a sheet does not speak of are not in here."""


def datasheet(model: str) -> Datasheet | None:
    """What is said of a model; None for one that is not in the table."""
    name = model.removeprefix("NVIDIA ").strip()
    return next((sheet for sheet in DATASHEETS if re.fullmatch(sheet.pattern, name)), None)
