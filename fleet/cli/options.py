"""The options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

InventoryFile = Annotated[Path, typer.Argument(metavar="INVENTORY", help="The inventory, a YAML file.")]
StoreTarget = Annotated[
    str | None,
    typer.Option("--store", metavar="URL", envvar="FLEET_STORE", help="postgresql://… or a file [XDG data home]."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]
Whole = Annotated[bool, typer.Option("--all", help="Show every figure behind the answer, and every trial.")]
Backend = Annotated[
    str, typer.Option("--lab-backend", envvar="FLEET_LAB_BACKEND", help="Lab servers: auto, openssh or builtin.")
]
PlaybookFile = Annotated[Path | None, typer.Option("--playbook", help="Steps for every host [agent.yaml, shipped].")]
Seed = Annotated[int, typer.Option(help="Seed of every random choice.")]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, its beginning, or `latest`.")]
Months = Annotated[float, typer.Option(min=1, max=600, help="Months over which prices paid once are spread.")]


class Measure(StrEnum):
    """The two measures, as an option takes them."""

    LATENCY = "latency"
    CAPACITY = "capacity"


AimedAt = Annotated[
    Measure, typer.Option("--goal", help="What the verdict is about: one job's time, or what three at once get done.")
]
