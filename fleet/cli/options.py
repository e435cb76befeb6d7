"""The options that several commands share, and what is read of them alike."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fleet.errors import ConfigurationError
from fleet.units import parse_seconds

InventoryFile = Annotated[Path, typer.Argument(metavar="INVENTORY", help="The inventory, a YAML file.")]
StoreTarget = Annotated[
    str | None,
    typer.Option("--store", metavar="URL", envvar="FLEET_STORE", help="postgresql://… or a file (XDG data home)."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]
UNWRITABLE = "does its folder exist, and may you write there?"
"""What to do about a file that an option names."""

Whole = Annotated[bool, typer.Option("--all", help="Show every figure behind the answer, and every trial.")]
Backend = Annotated[
    str, typer.Option("--lab-backend", envvar="FLEET_LAB_BACKEND", help="Lab servers: auto, openssh or builtin.")
]
PlaybookFile = Annotated[
    Path | None, typer.Option("--playbook", help="Steps for every host (agent.yaml, command.yaml).")
]
Seed = Annotated[int, typer.Option(help="Seed of every random choice.")]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, its beginning, or `latest`.")]
Months = Annotated[float, typer.Option(min=1, max=600, help="Months over which prices paid once are spread.")]

UrlVariable = Annotated[
    str | None, typer.Option("--database-url-env", metavar="NAME", help="The URL is in this variable.")
]
AtHead = Annotated[
    str | None, typer.Option("--at", metavar="URL", help="With an INVENTORY: the database as the head sees it.")
]
LastJobs = Annotated[int, typer.Option(min=1, max=1000, help="The last so many jobs.")]


class Measure(StrEnum):
    """The two measures, as an option takes them."""

    LATENCY = "latency"
    CAPACITY = "capacity"


AimedAt = Annotated[
    Measure, typer.Option("--goal", help="What the verdict is about: one job's time, or what three at once get done.")
]


def seconds(option: str, text: str) -> float:
    """The seconds that an option states, such as `20ms` or `7d`. ConfigurationError that names the option."""
    try:
        return parse_seconds(text)
    except ValueError as error:
        raise ConfigurationError(f"{option} {text}: {error}") from None


def timer(option: str, text: str) -> float:
    """The period of a timer, in seconds; 0 = none. ConfigurationError for one too fine to be played."""
    from fleet.twin.control import SHORTEST

    period = seconds(option, text)
    if 0 < period < SHORTEST:
        raise ConfigurationError(f"{option} {text}: expected 0, or at least {SHORTEST * 1e3:g} ms")
    return period
