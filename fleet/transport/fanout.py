"""One function over many hosts at once; a host that fails is a value in the result, never the end of the others."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from fleet.errors import HostError
from fleet.model.inventory import Host

T = TypeVar("T")

WORKERS = 32
"""Hosts talked to at once; a thread each, almost always waiting for the network."""


def fanout(
    function: Callable[[Host], T], hosts: Sequence[Host], *, workers: int = WORKERS
) -> tuple[tuple[Host, T | HostError], ...]:
    """The function's answer, or the HostError it raised, for each host, in the order of `hosts`.

    Any other exception is raised here as soon as it is seen. On that, and on Ctrl-C, no further host is begun and those
    under way are not waited for (their threads are daemons; closing the transport ends them).
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for index in range(len(hosts)):
        waiting.put(index)
    answers: queue.SimpleQueue[tuple[int, T | BaseException]] = queue.SimpleQueue()
    stop = threading.Event()
    found: dict[int, T | HostError] = {}
    try:
        for _ in range(min(workers, len(hosts))):
            threading.Thread(target=_work, args=(function, hosts, waiting, answers, stop), daemon=True).start()
        while len(found) < len(hosts):
            index, answer = answers.get()
            if isinstance(answer, BaseException) and not isinstance(answer, HostError):
                raise answer
            found[index] = answer
    finally:
        stop.set()
    return tuple((host, found[index]) for index, host in enumerate(hosts))


def _work(
    function: Callable[[Host], T],
    hosts: Sequence[Host],
    waiting: queue.SimpleQueue[int],
    answers: queue.SimpleQueue[tuple[int, T | BaseException]],
    stop: threading.Event,
) -> None:
    while not stop.is_set():
        try:
            index = waiting.get_nowait()
        except queue.Empty:
            return
        try:
            answers.put((index, function(hosts[index])))
        except BaseException as error:  # noqa: BLE001 (it is raised again, in the thread that asked)
            answers.put((index, error))
