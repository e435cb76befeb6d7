"""The compiled replay: the reference's events in the reference's order, over flat arrays.

All in one module on purpose: numba's disk cache looks at the stamp of a function's own file only, so a function that
called into another file would go on running that file's old code.

What makes it fast: a slot has at most one event due, so the agenda is a tournament over slots, and a change plays one
path of matches, without a branch. Tasks are numbered by rank; those that are ready are bits in a tree of words, and
the first of them is looked up when its predecessor leaves, not when it is wanted. Nothing is allocated, so no
references are counted. `fleet.twin.fast` is the way in, and does without numba.
"""

from __future__ import annotations

import numpy as np

from fleet.twin.arrays import Floats, World
from fleet.twin.compiled import entry, lowest_bit, part

_ASKING, _CLAIMING = -2, -1
_IDLE, _PARKED, _BEGUN = 0, 1, 2
_NOBODY = 1 << 62


@part
def next_poll(first: float, period: float, earliest: float) -> float:
    """The twin of `fleet.twin.control.next_poll`; a test holds the two together."""
    if period <= 0 or earliest <= first:
        return max(first, earliest)
    return max(earliest, first + period * float(np.ceil((earliest - first) / period)))


@part
def _put(w: World, task: int) -> None:
    """The task is ready."""
    core = w.core[0]
    core.ready += 1
    core.first = min(core.first, task)
    for level in range(len(w.level)):
        place = w.level[level] + (task >> 6)
        before = w.bits[place]
        w.bits[place] = before | (np.uint64(1) << np.uint64(task & 63))
        if before != 0:
            return
        task >>= 6


@part
def _take(w: World) -> int:
    """The first ready task, which then is not ready any more; the next one is looked up while there is time."""
    core, bits = w.core[0], w.bits
    taken = place = int(core.first)
    core.ready -= 1
    core.first = _NOBODY
    for level in range(len(w.level)):
        place >>= 6
        word = w.level[level] + place
        bits[word] &= bits[word] - np.uint64(1)
        if bits[word] != 0:
            for lower in range(level, -1, -1):
                place = (place << 6) + int(lowest_bit(bits[w.level[lower] + place]))
            core.first = place
            break
    return taken


@part
def _at(w: World, slot: int, time: float) -> None:
    """The slot's event is due at `time` (infinity: it has none): replay its matches up to the root."""
    tree, core, place = w.tree, w.core[0], slot + len(w.slots)
    key = core.turn + slot
    core.turn += core.mask + 1
    tree[place].time, tree[place].key = time, key
    while place > 1:
        rival = tree[place ^ 1]
        there, other = rival.time, rival.key
        loses = (there < time) | ((there == time) & (other < key))
        time = there if loses else time
        key = other if loses else key
        place >>= 1
        tree[place].time, tree[place].key = time, key


@part
def _set_up(w: World, draw: int) -> None:
    """Everything as it is at the job's start."""
    core, slots = w.core[0], w.slots
    core.draw, core.now, core.unlocked = draw, 0.0, 0.0
    core.turn = core.ready = core.released = core.idle_from = core.parked = core.counter = 0
    core.begun = core.taken = 0
    core.first = _NOBODY
    core.left = core.open = len(w.tasks)
    core.idle = 0 if core.polled else core.workers
    w.bits.fill(0)
    w.free.fill(0.0)
    for place in range(len(w.tree)):
        w.tree[place].time, w.tree[place].key = np.inf, max(0, place - len(slots))
    for number in range(core.refreshers):
        slots[core.workers + number].tick = 0
        if core.refresh > 0:
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
        tick = min(tick, w.tree[len(w.slots) + core.workers + number].time)
    return tick


@part
def _head_start(w: World) -> float:
    """When a task of the head that becomes ready now begins."""
    core = w.core[0]
    seen = _next_tick(w) if core.refresh > 0 else core.now
    start: float = np.inf if core.polled else core.now
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
    task.missing = task.needs  # for the next draw
    core.open += 1
    if task.fixed < 0:
        _put(w, number)
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
def _alone(w: World, slot: int) -> bool:
    """Whether nothing else is due in this instant: the slot's rivals on the way up all come later."""
    core, place = w.core[0], slot + len(w.slots)
    due = w.release[core.released]
    while place > 1:
        due = min(due, w.tree[place ^ 1].time)
        place >>= 1
    return bool(core.now < due)


@part
def _start(w: World, worker: int) -> None:
    """The agent's task starts; what it asks for is drawn."""
    core, slot = w.core[0], w.slots[worker]
    w.tasks[slot.task].started = core.now
    lot = w.lots[w.tasks[slot.task].lot, slot.place]
    slot.sample = lot.start + int(w.luck[core.draw, slot.task] * lot.count)
    slot.stage = -1


@part
def _hold(w: World, worker: int) -> bool:
    """The agent's task goes on to the next stage that takes any time; False where it is through.

    It goes through stages that are the agent's own (resource −1) without an event.
    """
    core, slot = w.core[0], w.slots[worker]
    slot.stage += 1
    demand = w.demands[slot.sample, slot.stage]
    if demand.seconds == 0:
        return False
    resource, until = w.resource[worker, demand.stage], core.now
    if resource >= 0:
        until = max(until, w.free[resource])
    until += demand.seconds
    if resource >= 0:
        w.free[resource] = until
    following = w.demands[slot.sample, slot.stage + 1]
    while following.seconds > 0 and w.resource[worker, following.stage] < 0:
        until += following.seconds
        slot.stage += 1
        following = w.demands[slot.sample, slot.stage + 1]
    _at(w, worker, until)
    return True


@part
def _advance(w: World, worker: int) -> None:
    """Go on with the agent's task; after its end with the next one, where this agent alone can have it."""
    core, slot = w.core[0], w.slots[worker]
    while not _hold(w, worker):
        _end(w, slot.task)
        if core.polled:
            slot.stage = _ASKING
            _at(w, worker, core.now)
            return
        if core.idle + core.begun > 0 or core.ready == 0 or core.claim > 0 or not _alone(w, worker):
            _at(w, worker, np.inf)
            w.queue[_IDLE, (core.idle_from + core.idle) & (w.queue.shape[1] - 1)] = worker
            core.idle += 1
            return
        slot.task = _take(w)
        _start(w, worker)


@part
def _push(w: World) -> None:
    """Bring ready tasks and idle agents together. Claims that take no time are through when all are made."""
    core = w.core[0]
    pairs = min(core.ready, core.idle)
    for pair in range(pairs):
        worker = w.queue[_IDLE, (core.idle_from + pair) & (w.queue.shape[1] - 1)]
        w.slots[worker].task = _take(w)
        w.slots[worker].stage = _CLAIMING
        w.queue[_BEGUN, pair] = worker
        if core.claim > 0:
            _at(w, worker, core.now + core.claim)
    core.begun, core.taken = (0 if core.claim > 0 else pairs), 0
    core.idle_from += pairs
    core.idle -= pairs


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
    if core.ready == 0 and (core.refresh == 0 or (core.period == 0 and not hidden)):
        _at(w, worker, np.inf)
        slot.asks = core.now + core.period
        w.queue[_PARKED, core.parked] = worker
        core.parked += 1
        return
    until = _next_tick(w) if hidden else core.unlocked
    _at(w, worker, next_poll(core.now + core.period, core.period, until))


@part
def _settle(w: World) -> None:
    """The instant is over: give out what is ready."""
    core = w.core[0]
    if core.ready == 0 or core.idle + core.parked == 0:
        return
    _push(w)
    for place in range(core.parked):
        worker = w.queue[_PARKED, place]
        _at(w, worker, next_poll(w.slots[worker].asks, core.period, core.now))
    core.parked = 0


@part
def _handle(w: World, number: int) -> None:
    """Do what is due on this slot."""
    core, slot = w.core[0], w.slots[number]
    if number >= core.workers + core.refreshers:
        _at(w, number, np.inf)
        _end(w, slot.task)
    elif number >= core.workers:
        if core.now >= core.unlocked:
            core.counter = core.ready
        slot.tick += 1
        _at(w, number, w.phases[core.draw, number - core.workers] + core.refresh * slot.tick)
    elif slot.stage == _ASKING:
        _ask(w, number)
    else:
        if slot.stage == _CLAIMING:
            _start(w, number)
        _advance(w, number)


@part
def run(w: World, draw: int) -> float:
    """Replay one draw; the job's seconds, or NaN where tasks are left that nothing will ever make ready."""
    _set_up(w, draw)
    core = w.core[0]
    while core.left > 0 and core.open > 0:
        release, due = w.release[core.released], w.tree[1].time
        if core.taken < core.begun:
            core.taken += 1
            _handle(w, w.queue[_BEGUN, core.taken - 1])
        elif release <= due:
            core.now = release
            core.released += 1
            core.open -= 1
            _satisfy(w, w.released[core.released - 1])
        else:
            core.now = due
            _handle(w, w.tree[1].key & core.mask)
        if core.taken == core.begun:
            core.begun = core.taken = 0
            if core.now < min(w.release[core.released], w.tree[1].time):
                _settle(w)
    if core.left == 0:
        return float(core.now)
    for task in range(len(w.tasks)):
        w.tasks[task].missing = w.tasks[task].needs
    return np.nan


@entry
def run_all(w: World, seconds: Floats) -> None:
    """The job's seconds for each draw, into `seconds`."""
    for draw in range(len(w.luck)):
        seconds[draw] = run(w, draw)
