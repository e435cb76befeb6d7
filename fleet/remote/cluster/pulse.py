"""The driver's ear and voice during a trial: progress four times a second, a sign of life, and the order to stop."""

from __future__ import annotations

import queue
import time
from dataclasses import dataclass

from fleet.codec.text import Malformed
from fleet.model.wire import Goodbye, Progress, ToDriver
from fleet.remote.cluster.executor import Event
from fleet.remote.cluster.scheduler import Assignment
from fleet.remote.mailbox import Gone, Line, Say, read

PROGRESS_SECONDS = 0.25
LIFE_SECONDS = 3.0
"""Between two signs of life where nothing changes. The controller gives the driver up after several of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An agent's answer to its task, or the error that Ray raised instead; `at` on the monotonic clock."""

    assignment: Assignment
    answer: object
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """Something that happened in a trial, by the trial's number: what a trial left behind means nothing to the next."""

    number: int
    what: Event | Answered


Mail = queue.SimpleQueue["Line | Gone | Posted"]


class Stopped(Exception):  # noqa: N818 (it is an order, not an error)
    """The controller is gone or says goodbye: clean up and end."""


class Pulse:
    """Progress of one trial of `total` tasks, told to the controller at a bearable rate."""

    def __init__(self, trial: str, total: int, say: Say) -> None:
        self._trial = trial
        self._total = total
        self._say = say
        self._told = (-1, 0.0)

    def beat(self, done: int) -> None:
        """Tell how many tasks are done, unless that was told just now."""
        before, at = self._told
        now = time.monotonic()
        if now - at >= (PROGRESS_SECONDS if done != before else LIFE_SECONDS):
            self._told = (done, now)
            self._say(Progress(trial=self._trial, done=done, total=self._total))


def heed(item: Line | Gone) -> None:
    """What the controller may say during a trial is goodbye; it knows better than to ask for another trial. Stopped."""
    if isinstance(item, Gone):
        raise Stopped(item.why)
    try:
        if isinstance(read(ToDriver, item), Goodbye):
            raise Stopped("the controller says goodbye")
    except Malformed as error:
        raise Stopped(f"the controller cannot be understood: {error}") from error
