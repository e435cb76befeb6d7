"""fleet as it is typed, without a process of its own: the words, the environment, what it prints and its exit code.

For tests in which the boundary of a process is not what is tried: to start Python takes longer than most commands.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from unittest.mock import patch

from fleet.cli import main
from fleet.units import Idiom, speak


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What a command came to, as `subprocess.CompletedProcess` has it."""

    returncode: int
    stdout: str
    stderr: str


def typed(environment: Mapping[str, str], *words: str) -> Typed:
    """Run a command with just this environment, its streams piped. An exception that escapes `main` escapes here."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    code = 0
    with _as_new(environment, words), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Typed(returncode=code, stdout=_text(out), stderr=_text(err))


@contextmanager
def _as_new(environment: Mapping[str, str], words: tuple[str, ...]) -> Iterator[None]:
    """With the words and environment of a process that was just started; all is put back."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    with patch.dict(os.environ, environment, clear=True), patch.object(sys, "argv", ["fleet", *words]):
        try:
            yield
        finally:
            speak(Idiom())
            for number, handler in handlers.items():
                signal.signal(number, handler)


def _text(stream: io.TextIOWrapper) -> str:
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()
