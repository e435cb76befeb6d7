"""The flat arrays that the compiled engine runs on: what it is given, and what it changes.

Tasks, agents, hosts and resources are positions. A slot is whatever can have an event due: an agent, a refresher, a
task of the head, in this order. Few arrays of records, not many of numbers: every array is seven arguments to each
compiled function, and the compiler's time grows with them. Nothing here needs numba.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Shorts = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint64]
Records = npt.NDArray[np.void]

STAGES = 5
"""What a task goes through: round trips, line, bus in, device, bus out."""

TASK = np.dtype(
    [
        ("first", "i4"),  # its successors are later[first:last]
        ("last", "i4"),
        ("needs", "i4"),  # prerequisites, and the executor's release
        ("lot", "i4"),  # row of the lots; its number among the head's tasks where it is one of them
        ("missing", "i4"),  # what it still waits for; `needs` again when that is nothing
        ("fixed", "f8"),  # seconds off the agents, −1 for the agents' own
        ("started", "f8"),
        ("ended", "f8"),
    ],
    align=True,
)

SLOT = np.dtype(
    [
        ("tick", "i8"),  # how often a refresher has fired
        ("task", "i4"),
        ("stage", "i4"),
        ("sample", "i4"),  # row of the seconds
        ("place", "i4"),  # an agent's column of the lots
        ("asks", "f8"),  # when a parked agent would have asked again
    ],
    align=True,
)

MATCH = np.dtype([("time", "f8"), ("key", "i8")])
"""A place in the slots' tournament: when the event that is due first there is due, and its key.

A key is the turn in which the event was put down, and below `mask` its slot: of one time the lower key is first.
"""

DEMAND = np.dtype([("seconds", "f8"), ("stage", "i8")])
"""What a task asks for next, and of which stage's resource; 0 s after the last one."""

LOT = np.dtype([("start", "i4"), ("count", "i4")])
"""Which samples serve a kind of task (row) at a place (column)."""

CORE = np.dtype(
    [
        ("polled", "?"),
        ("claim", "f8"),
        ("period", "f8"),  # of a polling agent's requests
        ("refresh", "f8"),
        ("lock", "f8"),
        ("workers", "i8"),
        ("refreshers", "i8"),
        ("helpers", "i8"),
        ("now", "f8"),
        ("unlocked", "f8"),  # when the stream's lock is free again
        ("turn", "i8"),  # of the next event, times mask + 1
        ("mask", "i8"),
        ("left", "i8"),  # tasks that have not ended
        ("open", "i8"),  # tasks not released yet, ready or at work
        ("ready", "i8"),
        ("first", "i8"),  # the first of the ready tasks
        ("released", "i8"),
        ("idle_from", "i8"),
        ("idle", "i8"),
        ("begun", "i8"),  # agents that begin in this instant, and how many of them did
        ("taken", "i8"),
        ("parked", "i8"),
        ("counter", "i8"),  # of ready tasks, as polling agents see it
        ("draw", "i8"),
    ],
    align=True,
)


class Tasks(NamedTuple):
    """A graph, its tasks by rank: the first that is ready is the first to go.

    `order`: where each was in the graph; `released`: tasks by the time in `release`; `later`: successors.
    """

    order: Shorts
    tasks: Records
    released: Shorts
    release: Floats
    later: Shorts


class World(NamedTuple):
    """Everything that a replay reads and writes.

    The graph comes first. `tree` holds the slots' tournament, its leaves last and its root at 1; `bits` and `level` the
    ready tasks; `queue` three rows of agents: idle, parked, about to begin. `resource`: by (agent, stage), −1 = the
    agent's own; `free`: when each is. `lots`: by (row, place); `demands`: by (sample, turn). `luck` and `phases`: by
    draw, of tasks and of timers (refreshers, helpers, agents).
    """

    tasks: Records
    released: Shorts
    release: Floats
    later: Shorts
    core: Records
    slots: Records
    tree: Records
    bits: Words
    level: Shorts
    queue: Longs
    resource: Shorts
    free: Floats
    lots: Records
    demands: Records
    luck: Floats
    phases: Floats
