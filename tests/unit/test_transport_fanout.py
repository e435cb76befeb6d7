"""One function over many hosts: order kept, failures as values, and a prompt end."""

from __future__ import annotations

import signal
import threading

import pytest

from fleet.errors import ConnectError, HostError
from fleet.model.inventory import Host, Login, Ports, Role
from fleet.transport.fanout import fanout


def host(name: str) -> Host:
    return Host(
        name=name,
        role=Role.WORKER,
        login=Login(address=name),
        node_address=name,
        devices=(),
        ports=Ports(first=1, last=2),
        python="python3",
        work_dir="/w",
    )


HOSTS = tuple(host(f"h{number}") for number in range(20))


def test_answers_come_in_the_order_of_the_hosts() -> None:
    """The first host answers last."""
    last_done = threading.Event()

    def name(one: Host) -> str:
        if one is HOSTS[0]:
            last_done.wait(5)
        if one is HOSTS[-1]:
            last_done.set()
        return one.name

    assert fanout(name, HOSTS, workers=4) == tuple((one, one.name) for one in HOSTS)


def test_a_failing_host_is_a_value() -> None:
    def name(one: Host) -> str:
        if one.name == "h3":
            raise ConnectError("down", host=one.name)
        return one.name

    answers = dict(fanout(name, HOSTS))
    assert isinstance(answers[HOSTS[3]], ConnectError)
    assert sum(isinstance(answer, HostError) for answer in answers.values()) == 1


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_anything_else_is_raised_and_no_further_host_is_begun(kind: type[BaseException]) -> None:
    begun: list[str] = []
    raised = threading.Event()
    release = threading.Event()

    def fail(one: Host) -> None:
        begun.append(one.name)
        if one is HOSTS[0]:
            raised.set()
            raise kind
        raised.wait(5)
        release.wait(5)

    with pytest.raises(kind):
        fanout(fail, HOSTS, workers=2)
    release.set()
    assert len(begun) <= 3


def test_no_more_workers_than_asked_for() -> None:
    now: list[int] = []
    most: list[int] = []
    lock = threading.Lock()

    def count(_: Host) -> None:
        with lock:
            now.append(1)
            most.append(len(now))
        threading.Event().wait(0.002)
        with lock:
            now.pop()

    fanout(count, HOSTS, workers=3)
    assert max(most) <= 3


def test_no_hosts_no_answers() -> None:
    assert fanout(lambda one: one.name, ()) == ()


def test_ctrl_c_does_not_wait_for_hosts_that_hang() -> None:
    """The signal reaches the waiting thread while every worker is stuck."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    release = threading.Event()
    both = threading.Barrier(2, action=lambda: signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT))

    def hang(_: Host) -> None:
        both.wait(5)
        release.wait(3600)

    with pytest.raises(KeyboardInterrupt):
        fanout(hang, HOSTS, workers=2)
    signal.signal(signal.SIGINT, before)
    release.set()
