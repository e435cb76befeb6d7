"""What the controller says to us and we to it: lines over stdin and stdout, and nothing else on stdout."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, TypeVar

from fleet.codec.text import dump_line, load_line
from fleet.model.wire import SILENCE_SECONDS, ToController

if TYPE_CHECKING:
    from typing_extensions import TypeForm

_CHUNK = 2**16
LINE_LIMIT = 4 * 2**20
"""Bytes of a line from the controller; a configuration of a thousand hosts is about 1 MB."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Line:
    """Something the controller said."""

    text: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The controller will say no more, or we were told to end; `why` in a few words."""

    why: str


Post = Callable[["Line | Gone"], None]
Say = Callable[[ToController], None]


def claim_stdout() -> Say:
    """Keep stdout for ourselves: what anything else prints goes to stderr. Returns the function that sends a value.

    A controller that is gone is no error here: the end of stdin says so too.
    """
    descriptor = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    def say(value: ToController) -> None:
        data = dump_line(value).encode() + b"\n"
        try:
            while data:
                data = data[os.write(descriptor, data) :]
        except OSError:
            return

    return say


def claim_stdin() -> int:
    """Keep stdin for ourselves: what we start reads nothing. Returns the descriptor to read from."""
    descriptor = os.dup(sys.stdin.fileno())
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, sys.stdin.fileno())
    os.close(null)
    return descriptor


def listen(descriptor: int, post: Post, silence: float | None = SILENCE_SECONDS) -> None:
    """Post every line that is not empty, then one `Gone`: at the end of file, a too long line or too long a silence.

    `silence` in seconds, None = for ever.
    """
    pending = b""
    while True:
        if not select.select([descriptor], [], [], silence)[0]:
            return post(Gone(f"the controller has been silent for {silence:.0f} s"))
        try:
            data = os.read(descriptor, _CHUNK)
        except OSError as error:
            return post(Gone(f"the controller cannot be read: {error.strerror}"))
        *lines, pending = (pending + data).split(b"\n")
        for line in lines:
            if line.strip():
                post(Line(line.decode(errors="replace")))
        if not data:
            return post(Gone("the controller has closed the connection"))
        if len(pending) > LINE_LIMIT:
            return post(Gone("the controller sent a line without an end"))


def on_signals(post: Post) -> None:
    """Post `Gone` when we are told to end by a signal. To be called in the main thread."""

    def handle(number: int, _frame: FrameType | None) -> None:
        post(Gone(f"ended by {signal.Signals(number).name}"))

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, handle)


def read(type_: TypeForm[T], line: Line) -> T:
    """The value that a line holds. Malformed where it is none."""
    value: T = load_line(type_, line.text)
    return value
