"""An agent on a card has the next trace copied while it proves: the card is busy, and no second is counted twice."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import pytest
from cluster_values import agent, host
from hypothesis import given
from hypothesis import strategies as st
from prover_usage import read_usage

from fleet.model.record import TaskKind, TaskRecord, TaskState
from fleet.model.trial import AgentSpec
from fleet.plan.trials.segments import Segment
from fleet.remote.cluster import agent as agents
from fleet.remote.cluster.agent import Agent, AgentConfig, Did, Failed
from fleet.remote.cluster.executor import OUTSTANDING, room_limit
from fleet.remote.cluster.scheduler import Assignment, Digest, Scheduler
from fleet.remote.prover import cuda
from fleet.remote.prover.cuda import CONTEXT, CudaDevice
from fleet.remote.prover.cuda_board import Argument
from fleet.remote.prover.state import AgentSeat, state_file

COPY, KERNELS, JOIN, WAY = 0.30, 1.0, 0.004, 0.002
"""Seconds of a trace's copy and of its kernels on the card that is played here, of a join, and of an answer's way."""
PATIENCE = 20.0


def digest_of(done: Assignment) -> Digest:
    return (hash((done.job, done.task.segment, done.inputs)),)


def segment(index: int) -> Segment:
    return Segment(index=index, po2=20, user_cycles=1000)


class Card:
    """Two engines, as `CudaDevice` uses them: traces are copied one by one, all else is done in the order it came."""

    def __init__(self) -> None:
        self.copied = self.computed = self.busy = 0.0

    def take(self, task: TaskKind, now: float) -> float:
        """When a task that comes now will be done."""
        ready, seconds = now + WAY, JOIN
        if task is TaskKind.PROVE:
            self.copied = ready = max(ready, self.copied) + COPY
            seconds = KERNELS
        self.computed = max(self.computed, ready) + seconds
        self.busy += seconds
        return self.computed


def played(specs: Sequence[AgentSpec], segments: int, ahead: Sequence[AgentSpec]) -> tuple[Scheduler, float, float]:
    """(the scheduler after a job whose segments are all there, its seconds, the cards' mean busy share)."""
    scheduler, cards = Scheduler(specs, 1, ahead), {spec: Card() for spec in specs}
    for index in range(segments):
        scheduler.cut(0, segment(index), 0.0)
    scheduler.cut_all(0, 0.0)
    now, order = 0.0, 0
    flying: list[tuple[float, int, Assignment]] = []
    while not scheduler.finished:
        for each in scheduler.assign(now):
            order += 1
            heapq.heappush(flying, (cards[each.agent].take(each.task.kind, now) + WAY, order, each))
        now, _, done = heapq.heappop(flying)
        scheduler.finish(done, digest_of(done), now)
    return scheduler, now, sum(card.busy for card in cards.values()) / now / len(specs)


def by_agent(scheduler: Scheduler) -> dict[str, list[TaskRecord]]:
    """The tasks of each agent in the order of their beginning."""
    found: dict[str, list[TaskRecord]] = {}
    for record in scheduler.records("head", 1.0, [None] * len(scheduler.digests())):
        for task in record.tasks:
            if task.agent is not None:
                found.setdefault(task.agent, []).append(task)
    return {name: sorted(tasks, key=lambda task: task.started or 0.0) for name, tasks in found.items()}


def check_records(scheduler: Scheduler, elapsed: float) -> None:
    """No second of an agent belongs to two tasks, and no task begins before what it waited for."""
    ends = {
        task.id: task.updated
        for record in scheduler.records("head", 1.0, [None] * len(scheduler.digests()))
        for task in record.tasks
    }
    for tasks in by_agent(scheduler).values():
        last, spent = 0.0, 0.0
        for task in tasks:
            assert task.started is not None
            assert task.updated is not None
            assert last <= task.started <= task.updated
            assert task.created <= task.started
            assert all((ends[name] or 0.0) <= task.started for name in task.prerequisites if name != "init")
            last, spent = task.updated, spent + task.updated - task.started
        assert spent <= elapsed + 1e-9


@pytest.mark.parametrize("count", [1, 4])
def test_a_card_is_busy_in_the_steady_state(count: int) -> None:
    """Where a trace takes a third of its kernels' time to copy: 95 % and more, joins between; without, three quarters.

    Seconds are counted, not waited for: the card is two engines on paper, and the scheduler is the real one.
    """
    specs = tuple(agent(f"box/gpu{number}") for number in range(count))
    plain, slow, idle = played(specs, 60 * count, ())
    scheduler, quick, busy = played(specs, 60 * count, specs)
    assert busy >= 0.95
    assert idle < 0.78
    assert quick < 0.82 * slow
    assert scheduler.digests() == plain.digests()
    for each, elapsed in ((plain, slow), (scheduler, quick)):
        check_records(each, elapsed)


def test_a_task_in_hand_begins_on_record_where_the_last_one_ended() -> None:
    """Until then it waits: it has no beginning, and nobody is said to work on it."""
    specs = (agent("box/gpu0"),)
    scheduler = Scheduler(specs, 1, specs)
    for index in range(2):
        scheduler.cut(0, segment(index), 0.0)
    first, second = scheduler.assign(1.0)
    waiting = scheduler.records("head", 1.0, (None,))[0].tasks[2]
    assert (waiting.state, waiting.started, waiting.agent) == (TaskState.READY, None, None)
    scheduler.finish(first, (1,), 3.0)
    assert scheduler.begun(second) == 3.0
    scheduler.finish(second, (2,), 4.0)
    one, two = scheduler.records("head", 1.0, (None,))[0].tasks[1:3]
    assert (one.started, one.updated, two.started, two.updated) == (1.0, 3.0, 3.0, 4.0)


def test_nobody_goes_without_for_the_sake_of_anothers_next_task() -> None:
    """With two agents at work, one prove that is ready stays: whoever is done first takes it. Two are given out."""
    specs = tuple(agent(f"box/gpu{number}") for number in range(2))
    scheduler = Scheduler(specs, 1, specs)
    given = []
    for index in range(4):
        scheduler.cut(0, segment(index), 0.0)
        given.append([each.agent for each in scheduler.assign(0.0)])
    assert given == [[specs[0]], [specs[1]], [], list(specs)]


def test_other_devices_have_one_task_at_a_time() -> None:
    """Beside a card that looks ahead, too."""
    card, core = specs = (agent("box/gpu0"), agent("box/cpu0"))
    scheduler = Scheduler(specs, 1, (card,))
    for index in range(8):
        scheduler.cut(0, segment(index), 0.0)
    assert [each.agent for each in scheduler.assign(0.0)] == [card, core, card]


def test_a_join_need_not_wait_for_an_idle_agent() -> None:
    """Where all have their next prove in hand nobody ever is; it goes to one that works on a card, ahead of proves."""
    (spec,) = specs = (agent("box/gpu0"),)
    scheduler = Scheduler(specs, 1, specs)
    for index in range(6):
        scheduler.cut(0, segment(index), 0.0)
    first, second = scheduler.assign(0.0)
    scheduler.finish(first, (1,), 1.0)
    scheduler.assign(1.0)
    scheduler.finish(second, (2,), 2.0)
    assert [each.task.kind for each in scheduler.assign(2.0)] == [TaskKind.JOIN, TaskKind.PROVE]
    assert scheduler.assign(2.0) == []
    assert spec == first.agent


@given(st.integers(1, 12), st.integers(1, 3), st.integers(1, 3), st.randoms(use_true_random=False))
def test_in_whatever_order_tasks_in_hand_end(segments: int, jobs: int, count: int, random: Random) -> None:
    """The digests are the same, an agent has three tasks at most, two of them proves, and records add up."""
    specs = tuple(agent(f"box/gpu{number}") for number in range(count))
    expected, scheduler = Scheduler(specs, jobs), Scheduler(specs, jobs, specs[:2])
    for each in (expected, scheduler):
        for job in range(jobs):
            for index in range(segments):
                each.cut(job, segment(index), 0.0)
            each.cut_all(job, 0.0)
    for each in (expected, scheduler):
        now, flying = 0.0, each.assign(0.0)
        while flying:
            now += 1.0
            done = flying.pop(random.randrange(len(flying)))
            each.finish(done, digest_of(done), now)
            flying += each.assign(now)
            for spec in specs:
                kinds = [one.task.kind for one in flying if one.agent == spec]
                assert len(kinds) <= (agents.IN_HAND if each is scheduler and spec in specs[:2] else 1)
                assert kinds.count(TaskKind.PROVE) <= 2
        assert each.finished
        if jobs == 1:
            check_records(each, now)
    assert scheduler.digests() == expected.digests()


class Engines:
    """A board whose kernels of a segment are not done before the next segment's trace has been sent.

    So a device that would prove one after the other could never finish. It computes nothing.
    """

    def __init__(self, segments: int) -> None:
        self.sent = [threading.Event() for _ in range(segments + 1)]
        self.sent[-1].set()
        self.order: list[tuple[str, int]] = []
        self._of: dict[int, int] = {}
        self._next = 0
        self._address = 0

    def allocate(self, size: int) -> int:
        self._address += size
        return self._address

    def free(self, address: int) -> None:
        pass

    def clear(self, address: int, size: int) -> None:
        pass

    def send(self, slot: int, data: bytes | memoryview, address: int) -> None:
        del data, address
        self._of[slot] = self._next
        self.order.append(("sent", self._next))
        self.sent[self._next].set()
        self._next += 1

    def launch(self, kernel: str, blocks: int, threads: int, arguments: Sequence[Argument], shared: int = 0) -> None:
        pass

    def fetch(self, slot: int, address: int, words: int) -> None:
        pass

    def wait(self, slot: int) -> tuple[int, ...]:
        number = self._of[slot]
        assert self.sent[number + 1].wait(PATIENCE), "the next trace was not sent while this one was proved"
        self.order.append(("done", number))
        return (number, 0, 0, 0, 0, 0, 0, 0, 0)

    def close(self) -> None:
        pass


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Agent]:
    """An agent without Ray, on that board; boxes hold traces as they are."""
    monkeypatch.setattr(cuda, "required_memory", lambda _po2: CONTEXT + 10**6)
    monkeypatch.setattr("ray.get", lambda stored: stored)
    monkeypatch.setattr(agents, "die_with", lambda _pid: None)
    whole = AgentConfig(
        spec=agent("box/gpu0"), host=host("box", 0, (), work_dir=str(tmp_path)), time_scale=1.0, columns=2
    )
    found = Agent(whole)
    seat = AgentSeat(state_file(tmp_path), "gpu0")
    found._device = CudaDevice(Engines(6), memory=None, columns=2, seat=seat)
    yield found
    found.close()


def test_a_trace_is_sent_while_the_one_before_is_proved(worker: Agent, tmp_path: Path) -> None:
    """As calls come from the driver: two at a time, in threads of their own. Their seconds do not overlap."""
    board: Any = worker._device._board  # type: ignore[union-attr]
    trace = bytes(4 * 2 << 4)
    answers: list[Did | Failed] = []
    with ThreadPoolExecutor(agents.IN_HAND) as threads:
        began = threading.Semaphore(2)

        def prove() -> None:
            answers.append(worker.prove([trace], 4))  # type: ignore[list-item]
            began.release()

        for _ in range(6):
            assert began.acquire(timeout=PATIENCE)
            threads.submit(prove)
    done = [each for each in answers if isinstance(each, Did)]
    assert len(done) == 6, answers
    for number in range(5):
        assert board.order.index(("sent", number + 1)) < board.order.index(("done", number))
    usage = read_usage(state_file(tmp_path), "gpu0")
    assert sum(each.seconds for each in done) <= usage.busy_seconds_total + 0.05
    assert all(each.transfer <= each.seconds for each in done)


def test_threads_of_one_agent_count_as_one(tmp_path: Path) -> None:
    """Busy time goes on until the last of them is done, and is counted once."""
    path = state_file(tmp_path)
    seat = AgentSeat(path, "gpu0")
    with seat.working():
        with seat.working():
            pass
        first = read_usage(path, "gpu0").busy_seconds_total
        threading.Event().wait(0.02)
        assert read_usage(path, "gpu0").busy_seconds_total >= first + 0.02
    whole = read_usage(path, "gpu0").busy_seconds_total
    threading.Event().wait(0.02)
    assert read_usage(path, "gpu0").busy_seconds_total == whole
    seat.close()


def test_a_slot_is_free_again_after_a_trace_that_cannot_be_proved(worker: Agent) -> None:
    """As many wrong ones as there are slots, and one more."""
    for _ in range(3):
        failed = worker.prove([bytes(8 << 3)], 4)  # type: ignore[list-item]
        assert isinstance(failed, Failed)
        assert "as many rows" in failed.message


def test_traces_have_half_of_the_object_store() -> None:
    """What one trial may have under way: no less than before for emulated devices, more where cards have large ones."""
    assert room_limit(100) == OUTSTANDING
    assert room_limit(8 * 2**30) == 4 * 2**30
