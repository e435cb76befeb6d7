"""The compiled replay: the reference's events in the reference's order, over flat arrays.

All in one module on purpose: numba's disk cache looks at the stamp of a function's own file only, so a function that
called into another file would go on running that file's old code.

Four ideas make it fast. Every slot has at most one event due, so the agenda is a tournament over slots: a change plays
one path of matches up to the root. Ready tasks are bits in a tree of 64-bit words by rank, so the first of a million is
four words away. Nothing is allocated, so no references are counted. And everything ends up in one function, so that a
world of seventeen arrays is not handed over at every call.

Importing this module needs numba; `fleet.twin.fast` is the way in, and does without.
"""

from __future__ import annotations

import math

import numpy as np

from fleet.twin.arrays import Floats, World
from fleet.twin.compiled import entry, lowest_bit, part

_ASKING, _CLAIMING = -2, -1
_IDLE, _PARKED, _BEGUN = 0, 1, 2


@part
def next_poll(first: float, period: float, earliest: float) -> float:
    """The twin of `fleet.twin.control.next_poll`; a test holds the two together."""
    if earliest <= first:
        return first
    if period <= 0:
        return earliest
    return max(earliest, first + period * math.ceil((earliest - first) / period))


@part
def _put(w: World, rank: int) -> None:
    """The task of this rank is ready."""
    w.core[0].ready += 1
    for level in range(len(w.level)):
        place = w.level[level] + (rank >> 6)
        before = w.bits[place]
        w.bits[place] = before | (np.uint64(1) << np.uint64(rank & 63))
        if before != 0:
            return
        rank >>= 6


@part
def _take(w: World) -> int:
    """The first ready task, which then is not ready any more."""
    w.core[0].ready -= 1
    rank = 0
    for level in range(len(w.level) - 1, -1, -1):
        rank = (rank << 6) + int(lowest_bit(w.bits[w.level[level] + rank]))
    place = rank
    for level in range(len(w.level)):
        word = w.level[level] + (place >> 6)
        w.bits[word] &= w.bits[word] - np.uint64(1)
        if w.bits[word] != 0:
            break
        place >>= 6
    task: int = w.order[rank]
    return task


@part
def _at(w: World, slot: int, time: float) -> None:
    """The slot's event is due at `time`: replay its matches up to the root."""
    slots, core = w.slots, w.core[0]
    slots[slot].time = time
    slots[slot].turn = core.turn
    core.turn += 1
    match = (slot + len(slots)) >> 1
    while match > 0:
        one, other = w.tree[2 * match], w.tree[2 * match + 1]
        first, second = slots[one].time, slots[other].time
        wins = first < second or (first == second and slots[one].turn < slots[other].turn)
        w.tree[match] = one if wins else other
        match >>= 1


@part
def _set_up(w: World, draw: int) -> None:
    """Everything as it is at the job's start."""
    core, slots = w.core[0], w.slots
    core.draw = draw
    core.now = core.unlocked = 0.0
    core.turn = core.ready = core.released = core.idle_from = core.parked = core.counter = 0
    core.left = core.open = len(w.tasks)
    core.idle = 0 if core.polled else core.workers
    for task in range(len(w.tasks)):
        w.tasks[task].missing = w.tasks[task].needs
    w.bits.fill(0)
    w.free.fill(0.0)
    for slot in range(len(slots)):
        slots[slot].time = np.inf
        slots[slot].tick = slots[slot].turn = 0
        w.tree[len(slots) + slot] = slot
    for match in range(len(slots) - 1, 0, -1):
        w.tree[match] = w.tree[2 * match]
    if core.polled and core.refresh > 0:
        for number in range(core.refreshers):
            _at(w, core.workers + number, w.phases[draw, number])
    for worker in range(core.workers):
        w.queue[_IDLE, worker] = worker
        slots[worker].stage = _ASKING
        if core.polled:
            _at(w, worker, w.phases[draw, core.refreshers + core.helpers + worker])


@part
def _next_tick(w: World) -> float:
    core = w.core[0]
    tick: float = np.inf
    for number in range(core.refreshers):
        tick = min(tick, w.slots[core.workers + number].time)
    return tick


@part
def _head_start(w: World) -> float:
    """When a task of the head that becomes ready now begins."""
    core = w.core[0]
    start: float = core.now
    if not core.polled:
        return start
    seen = _next_tick(w) if core.refresh > 0 else start
    start = np.inf
    for number in range(core.refreshers, core.refreshers + core.helpers):
        start = min(start, next_poll(w.phases[core.draw, number], core.period, seen))
    return start


@part
def _satisfy(w: World, number: int) -> None:
    """The task waits for one thing fewer."""
    core, task = w.core[0], w.tasks[number]
    task.missing -= 1
    if task.missing > 0:
        return
    core.open += 1
    if task.fixed < 0:
        _put(w, task.rank)
        return
    slot = core.workers + core.refreshers + task.lot
    task.started = _head_start(w)
    w.slots[slot].task = number
    _at(w, slot, task.started + task.fixed)


@part
def _end(w: World, number: int) -> None:
    core, task = w.core[0], w.tasks[number]
    task.ended = core.now
    core.left -= 1
    core.open -= 1
    for position in range(task.first, task.last):
        _satisfy(w, w.later[position])


@part
def _advance(w: World, worker: int) -> None:
    """The agent's task goes on to the next stage that takes any time; after the last one it is over."""
    core, slot = w.core[0], w.slots[worker]
    for stage in range(slot.stage + 1, w.seconds.shape[1]):
        seconds = w.seconds[slot.sample, stage]
        if seconds > 0:
            resource = w.resource[worker, stage]
            free = max(core.now, w.free[resource]) + seconds
            w.free[resource] = free
            slot.stage = stage
            _at(w, worker, free)
            return
    _end(w, slot.task)
    if core.polled:
        slot.stage = _ASKING
        _at(w, worker, core.now)
        return
    _at(w, worker, np.inf)
    w.queue[_IDLE, (core.idle_from + core.idle) & (len(w.slots) - 1)] = worker
    core.idle += 1


@part
def _begin(w: World, worker: int) -> None:
    """The agent's claim is through: its task starts."""
    core, slot = w.core[0], w.slots[worker]
    task = w.tasks[slot.task]
    task.started = core.now
    lot = w.lots[task.lot, slot.place]
    slot.sample = lot.start + int(w.luck[core.draw, slot.task] * lot.count)
    slot.stage = -1
    _advance(w, worker)


@part
def _push(w: World) -> None:
    """Bring ready tasks and idle agents together. Claims that take no time are through when all are made."""
    core = w.core[0]
    pairs = min(core.ready, core.idle)
    core.idle -= pairs
    for pair in range(pairs):
        worker = w.queue[_IDLE, core.idle_from & (len(w.slots) - 1)]
        core.idle_from += 1
        w.slots[worker].task = _take(w)
        w.slots[worker].stage = _CLAIMING
        w.queue[_BEGUN, pair] = worker
        if core.claim > 0:
            _at(w, worker, core.now + core.claim)
    if core.claim > 0:
        return
    for pair in range(pairs):
        _begin(w, w.queue[_BEGUN, pair])


@part
def _ask(w: World, worker: int) -> None:
    """One request of a polling agent."""
    core, slot = w.core[0], w.slots[worker]
    seen = core.counter if core.refresh > 0 else core.ready
    if seen > 0 and core.now >= core.unlocked:
        core.unlocked = core.now + core.lock
        if core.ready > 0:
            slot.task, slot.stage = _take(w), _CLAIMING
            _at(w, worker, core.now + core.claim)
            return
    hidden = core.refresh > 0 and seen == 0
    if core.period == 0 and core.ready == 0 and not hidden:
        _at(w, worker, np.inf)
        w.queue[_PARKED, core.parked] = worker
        core.parked += 1
        return
    until = _next_tick(w) if hidden else core.unlocked
    _at(w, worker, next_poll(core.now + core.period, core.period, until))


@part
def _settle(w: World) -> bool:
    """The instant is over: give out what is ready. False where nothing was there to give or nobody to give it to."""
    core = w.core[0]
    takers = core.parked if core.polled else core.idle
    if core.ready == 0 or takers == 0:
        return False
    if not core.polled:
        _push(w)
    for place in range(core.parked):
        _at(w, w.queue[_PARKED, place], core.now)
    core.parked = 0
    return True


@part
def _handle(w: World, number: int) -> None:
    """Do what is due on this slot."""
    core, slot = w.core[0], w.slots[number]
    if number >= core.workers + core.refreshers:
        _at(w, number, np.inf)
        _end(w, slot.task)
    elif number >= core.workers:
        core.counter = core.ready
        slot.tick += 1
        _at(w, number, w.phases[core.draw, number - core.workers] + core.refresh * slot.tick)
    elif slot.stage == _ASKING:
        _ask(w, number)
    elif slot.stage == _CLAIMING:
        _begin(w, number)
    else:
        _advance(w, number)


@entry
def run(w: World, draw: int) -> float:
    """Replay one draw; the job's seconds, or NaN where tasks are left that nothing will ever make ready."""
    _set_up(w, draw)
    core = w.core[0]
    while core.left > 0 and core.open > 0:
        slot = w.tree[1]
        core.now = min(w.release[core.released], w.slots[slot].time)
        if w.release[core.released] <= core.now:
            core.released += 1
            core.open -= 1
            _satisfy(w, w.released[core.released - 1])
        else:
            _handle(w, slot)
        unsettled = True
        while unsettled and core.now < min(w.release[core.released], w.slots[w.tree[1]].time):
            unsettled = _settle(w)
    return core.now if core.left == 0 else np.nan


@entry
def run_all(w: World, seconds: Floats) -> None:
    """The job's seconds for each draw, into `seconds`."""
    for draw in range(len(w.luck)):
        seconds[draw] = run(w, draw)
