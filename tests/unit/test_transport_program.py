"""A program's two streams, drained by one thread while paramiko fills them from another."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from paramiko.buffered_pipe import BufferedPipe  # noqa: TID251 (what is tested is how it is listened to)

from fleet.errors import CommandError
from fleet.model.inventory import Host, Login, Ports, Role
from fleet.model.playbook import Command
from fleet.transport.program import Program

HOST = Host(
    name="box",
    role=Role.HEAD,
    login=Login(address="127.0.0.9"),
    node_address="127.0.0.9",
    devices=(),
    ports=Ports(first=20000, last=20299),
    python="python3",
    work_dir=".fleet",
)
MARK = b"\x1efleet\x1e7\n"


def _pipe() -> Any:
    return BufferedPipe()


@dataclass
class _Channel:
    """What a Program uses of paramiko's channel, over paramiko's own buffers."""

    window: int = 2**21
    in_buffer: Any = field(default_factory=_pipe)
    in_stderr_buffer: Any = field(default_factory=_pipe)
    event: threading.Event = field(default_factory=threading.Event)
    status_event: threading.Event = field(default_factory=threading.Event)
    got: list[bytes] = field(default_factory=list)
    fed: threading.Event = field(default_factory=threading.Event)
    eof_received = closed = False
    event_ready = True
    exit_status = -1
    out_window_size = property(lambda self: self.window)

    def recv_ready(self) -> bool:
        return bool(self.in_buffer.read_ready())

    def recv_stderr_ready(self) -> bool:
        return bool(self.in_stderr_buffer.read_ready())

    def recv(self, size: int) -> bytes:
        return bytes(self.in_buffer.read(size))

    def recv_stderr(self, size: int) -> bytes:
        return bytes(self.in_stderr_buffer.read(size))

    def send(self, data: bytes) -> int:
        self.got.append(data)
        return len(data)

    def shutdown_write(self) -> None:
        self.fed.set()

    def end(self, status: int) -> None:
        self.event.set()
        self.exit_status = status
        self.status_event.set()
        self.eof_received = True
        self.in_buffer.close()
        self.in_stderr_buffer.close()


@pytest.fixture
def channel() -> Iterator[_Channel]:
    made = _Channel()
    yield made
    made.in_buffer.close()
    made.in_stderr_buffer.close()


def _program(channel: Any) -> Program:
    made = Program(channel, "program")
    made._asked_for = True  # there is no transport to ask
    return made


def _finish(channel: _Channel, stdin: bytes = b"", seconds: float = 20.0) -> Any:
    command = Command(argv=("program",), stdin=stdin, timeout=seconds)
    return _program(channel).finish(HOST, command, 2**20, time.monotonic() + seconds)


def _talk(channel: _Channel, turns: int) -> None:
    channel.in_buffer.feed(b"noise\n" + MARK)
    for turn in range(turns):
        channel.in_buffer.feed(b"o" * (turn % 5 + 1))
        channel.in_stderr_buffer.feed(b"e" * (turn % 3 + 1))
        if turn % 7 == 0:
            time.sleep(0)
    channel.end(3)


# However the streams take turns, nothing of either is lost, and the end is not missed.
def test_both_streams_arrive_whole(channel: _Channel) -> None:
    threading.Thread(target=_talk, args=(channel, 5000), daemon=True).start()
    done = _finish(channel)

    assert (done.exit_status, len(done.stdout), len(done.stderr)) == (3, 15_000, 9_999)


# What was said before anybody listened counts, too.
def test_a_program_that_has_ended_already(channel: _Channel) -> None:
    _talk(channel, 10)

    assert _finish(channel).stdout == b"o" * 30


# A stdin larger than the window is fed beside: a program that answers meanwhile stalls nobody.
@pytest.mark.parametrize("window", [10, 2**21])
def test_stdin_is_fed_whatever_the_window(window: int, channel: _Channel) -> None:
    channel.window = window

    def answer() -> None:
        channel.fed.wait(20)
        _talk(channel, 1)

    threading.Thread(target=answer, daemon=True).start()
    stdin = bytes(range(256)) * 1000
    _finish(channel, stdin)

    assert b"".join(channel.got) == stdin
    assert all(len(before) >= len(after) for before, after in pairwise(channel.got))


def test_a_program_that_ends_before_its_host_says_that_it_began(channel: _Channel) -> None:
    """A server may start the program in a thread that is quicker than its own answer; the channel is closed by then."""
    channel.event_ready = False
    channel.in_buffer.feed(MARK + b"out")
    channel.end(0)
    assert _finish(channel).stdout == b"out"


# A program that hangs is left when its time is over, with what it said kept beside the error.
def test_a_hanging_program_is_left_in_time(channel: _Channel) -> None:
    channel.in_buffer.feed(MARK + b"half")
    with pytest.raises(CommandError, match="did not end within"):
        _finish(channel, seconds=0.05)


# What talks on before the program begins is the login shell's; what talks on after it is not.
@pytest.mark.parametrize(
    ("said", "hint"),
    [
        (b"welcome\n" * 2000, "a shell rc file of the user's, or a forced command, talks on or waits"),
        (MARK + b"y\n" * 2**20, "it wrote more than 1.0 MiB: does a forced command or a wrapper talk on there"),
    ],
)
def test_who_talks_without_end_is_named(channel: _Channel, said: bytes, hint: str) -> None:
    channel.event.set()
    channel.in_buffer.feed(said)
    with pytest.raises(CommandError) as caught:
        _finish(channel, seconds=0.05)
    assert hint in str(caught.value.hint)
