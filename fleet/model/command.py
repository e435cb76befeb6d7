"""The inventory's `command` block: any program on the hosts as the work that is measured, and the figure it tells."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fleet.units import Idiom

CYCLES_PER_UNIT = 1000
"""A unit of work counts as so many cycles, so that records hold whole numbers: a kHz in them is one unit a second."""

OUT_OF_MEMORY = (
    "CUDA out of memory",
    "CUDA_ERROR_OUT_OF_MEMORY",
    "cudaErrorMemoryAllocation",
    "OutOfMemoryError",
    "RESOURCE_EXHAUSTED",
    "std::bad_alloc",
    "MemoryError",
    "Cannot allocate memory",
)
"""What PyTorch, JAX, TensorFlow, CUDA, C++, Python and the C library say when memory is short."""


class Telling(StrEnum):
    """What a run tells of itself.

    RATE: how many units a second it does, while all agents run at once. WORK: how many units it did; runs are shared
    out one by one, and the fleet's rate is what they did over the time that it took.
    """

    RATE = "rate"
    WORK = "work"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """Where the figure stands in what a run prints: the last match's first group, or the keys down a JSON object.

    Exactly one of `pattern` and `keys` is not None.
    """

    tells: Telling
    pattern: str | None = None
    keys: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    """A parameter of the command, with the values to be tried, the least demanding first."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """An environment variable of the command."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSettings:
    """The command and how its figure is read.

    `words` are its program and arguments; under `shell` the only one is a text for `/bin/sh -c`. `unit` is what work is
    counted in (`samples`). `metric` None: each run is worth `work` units. `items`: runs of a job, or of each agent
    where runs tell a rate. All `knobs` have as many values and are turned together: a layout's `po2` is the position.
    `warm_up`: runs of each agent before its first trial with a setting. `timeout`: seconds of one run.
    `out_of_memory`: texts that say that memory was short. `directory`: where it runs, None = the user's home.
    """

    words: tuple[str, ...]
    unit: str
    shell: bool = False
    metric: Metric | None = None
    work: float = 1.0
    items: int = 1
    knobs: tuple[Knob, ...] = ()
    environment: tuple[Assignment, ...] = ()
    directory: str | None = None
    warm_up: int = 1
    timeout: float = 600.0
    out_of_memory: tuple[str, ...] = OUT_OF_MEMORY

    @property
    def settings(self) -> int:
        """How many settings its knobs have; one where it has none."""
        return len(self.knobs[0].values) if self.knobs else 1

    @property
    def tells_rate(self) -> bool:
        """Whether each run tells its own rate, and the fleet's is their sum."""
        return self.metric is not None and self.metric.tells is Telling.RATE

    def knob_values(self, position: int) -> tuple[tuple[str, str], ...]:
        """(name, value) of every knob at a position."""
        return tuple((knob.name, knob.values[position]) for knob in self.knobs)

    def setting_names(self) -> tuple[str, ...]:
        """`batch 64, tile 8` for every position; the one of a command without knobs is `as given`."""
        if not self.knobs:
            return ("as given",)
        positions = range(self.settings)
        return tuple(", ".join(f"{name} {value}" for name, value in self.knob_values(at)) for at in positions)


def idiom_of(command: CommandSettings | None) -> Idiom:
    """How the figures of a fleet are said: in the command's words, or as those of a guest."""
    if command is None:
        return Idiom()
    unit, pieces = f"{command.unit}/s", command.tells_rate
    return Idiom(unit=unit, settings=command.setting_names(), runs=True, pieces=pieces)
