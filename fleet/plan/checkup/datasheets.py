"""PURE. What NVIDIA says its cards do: memory bandwidth and bus, from each model's data sheet or product brief.

NVIDIA's own documents could not be opened when this was checked (2026-11): `seen` names where the sheet's figures were
read instead. Models for which nothing could be found, or the finds disagreed (H100 NVL), are not in the table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LANE = {3: 985e6, 4: 1969e6, 5: 3938e6, 6: 7563e6}
"""Bytes per second of one lane by generation, after its encoding (PCI Express base specification)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Datasheet:
    """`memory` in bytes per second; the bus's `generation` and `lanes`.

    `source`: the document of NVIDIA's; `seen`: the pages that repeat its figures, where they were checked.
    """

    pattern: str
    memory: float
    generation: int
    lanes: int
    source: str
    seen: str

    @property
    def bus(self) -> float:
        """Bytes per second over the bus, one way."""
        return _LANE[self.generation] * self.lanes


def _sheet(pattern: str, gigabytes: float, generation: int, source: str, seen: str) -> Datasheet:
    return Datasheet(pattern=pattern, memory=gigabytes * 1e9, generation=generation, lanes=16, source=source, seen=seen)


DATASHEETS = (
    _sheet(r"H200", 4800, 5, "H200 Tensor Core GPU datasheet", "acecloud.ai, nvidia-b200-vs-h200-h100-a100"),
    _sheet(r"H100 PCIe", 2000, 5, "H100 PCIe GPU product brief", "gpu.blog, nvidia-h100-pcie"),
    _sheet(r"H100 80GB HBM3", 3350, 5, "H100 Tensor Core GPU datasheet", "acecloud.ai, nvidia-b200-vs-h200-h100-a100"),
    _sheet(
        r"A100-SXM4-80GB",
        2039,
        4,
        "A100 80GB datasheet",
        "acecloud.ai, nvidia-b200-vs-h200-h100-a100; glennklockwood.com, A100",
    ),
    _sheet(r"A100 80GB PCIe", 1935, 4, "A100 80GB datasheet", "ai-hpc.github.io, L40S hardware architecture"),
    _sheet(
        r"A100-(SXM4|PCIE)-40GB",
        1555,
        4,
        "A100 40GB datasheet",
        "glennklockwood.com, A100; technical.city, A100 PCIe 40 GB",
    ),
    _sheet(r"L40S?", 864, 4, "L40 and L40S datasheets", "mullet.se, product 355414"),
    _sheet(r"L4", 300, 4, "L4 datasheet", "store.sourcecode.com, comparison 9820"),
    _sheet(r"A40", 696, 4, "A40 datasheet", "cpu-gpu.alldbin.com, A40 PCIe (695.8)"),
    _sheet(r"A10", 600, 4, "A10 datasheet", "sysrqmts.com, A10 PCIe (600.2)"),
    _sheet(r"(Tesla )?T4", 320, 3, "T4 datasheet", "sysrqmts.com, Tesla T4; technical.city, Tesla T4"),
    _sheet(r"RTX A6000", 768, 4, "RTX A6000 datasheet", "servethehome.com, nvidia-rtx-a6000"),
    _sheet(r"RTX A5000", 768, 4, "RTX A5000 datasheet", "cpu-gpu.alldbin.com, RTX A5000"),
    _sheet(r"RTX A4000", 448, 4, "RTX A4000 datasheet", "ecer.com, RTX A4000, which repeats the sheet"),
    _sheet(
        r"RTX 6000 Ada Generation",
        960,
        4,
        "RTX 6000 Ada Generation datasheet",
        "grafikkarten.com, RTX 6000 Ada; cputronic.com (bus)",
    ),
    _sheet(
        r"GeForce RTX 5090",
        1792,
        5,
        "GeForce RTX 5090 specifications",
        "Linux Format, May 2025; global-esports.news (bus)",
    ),
    _sheet(r"GeForce RTX 4090", 1008, 4, "GeForce RTX 4090 specifications", "guru3d.com; techpowerup.com (bus)"),
    _sheet(r"GeForce RTX 3090", 936, 4, "GeForce RTX 3090 specifications", "Lambda, gpu_specs.csv (1219 MHz, 384 bit)"),
)
"""By the driver's name of the model, after `NVIDIA`; variants that a sheet does not speak of are not in here."""


def datasheet(model: str) -> Datasheet | None:
    """What is said of a model; None for one that is not in the table."""
    name = model.removeprefix("NVIDIA ").strip()
    return next((sheet for sheet in DATASHEETS if re.fullmatch(sheet.pattern, name)), None)
