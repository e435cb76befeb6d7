"""The live screen on a real pseudo terminal, with a terminal emulator that is asked what stands on its screen."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyte
import pytest

UNIT = Path(__file__).parents[1] / "unit"
RUN = """
import signal, sys, time
sys.path.insert(0, sys.argv[1])
from ui_events import EVENTS
from fleet import ui
from fleet.cli import _interrupt, _give_up
from fleet.errors import Interrupted
signal.signal(signal.SIGTERM, _interrupt)
try:
    with ui.observer(sys.stderr) as observe:
        for event in EVENTS[:-4]:
            observe(event)
        try:
            time.sleep(60)
        finally:
            time.sleep(1.5)  # what was started is taken down
            print("\\a", end="", flush=True)
except KeyboardInterrupt:
    _give_up(Interrupted("asked to stop"))
"""
"""A run as the screen sees it, that goes on until it is asked to stop, and then takes down what it started."""

FOREGROUND = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.tcsetpgrp(0, os.getpgrp())
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Makes the terminal the program's own, so that its keys become signals."""

PATIENCE = 30.0


class Terminal:
    """A terminal with a program in it: what was written to it, and what stands on its screen."""

    def __init__(self, master: int, process: subprocess.Popen[bytes], width: int, height: int) -> None:
        self.master, self.process = master, process
        self.screen = pyte.Screen(width, height)
        self.written = b""
        self._stream = pyte.ByteStream(self.screen)

    @property
    def text(self) -> str:
        """The screen, without the spaces at the lines' ends."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self.master, keys)

    def resize(self, width: int, height: int) -> None:
        """Drag the window to another size."""
        self.screen.resize(height, width)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def until(self, seen: Callable[[str], bool]) -> str:
        """Read until the screen is as expected; the screen."""
        end = time.monotonic() + PATIENCE
        while not seen(self.text):
            assert time.monotonic() < end, self.text
            self._read()
        return self.text

    def end(self) -> int:
        """Read until the program ends; its exit code."""
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < end, self.text
            self._read()
        while self._read():
            pass
        return self.process.returncode

    def hidden(self) -> bool:
        """Whether the cursor is."""
        return bool(self.screen.cursor.hidden)

    def echoes(self) -> bool:
        """Whether what is typed is shown."""
        return bool(termios.tcgetattr(self.master)[3] & termios.ECHO)

    def _read(self) -> bool:
        os.set_blocking(self.master, False)
        try:
            chunk = os.read(self.master, 65536)
        except BlockingIOError:
            time.sleep(0.02)
            return False
        except OSError:
            return False
        self.written += chunk
        self._stream.feed(chunk)
        return bool(chunk)


@contextmanager
def terminal(
    *command: str, width: int = 80, height: int = 24, extra: Mapping[str, str] | None = None
) -> Iterator[Terminal]:
    """A program on a terminal of its own, ended with it. Our side keeps the program's open: its settings outlive it."""
    master, its = pty.openpty()
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    kept = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES", "NO_COLOR"}}
    process = subprocess.Popen(
        [sys.executable, "-c", FOREGROUND, *command],
        env={**kept, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **(extra or {})},
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
    )
    try:
        yield Terminal(master, process, width, height)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(its)
        os.close(master)


def a_run(**extra: str) -> contextlib.AbstractContextManager[Terminal]:
    """The run above."""
    return terminal(sys.executable, "-c", RUN, str(UNIT), extra=extra)


def drawn(text: str) -> bool:
    return "+60.0 % [+51.0, +69.0] against now" in text and "trial 3" in text


def once(text: str) -> bool:
    """Every stage stands on the screen once: no frame has left anything behind."""
    return all(text.count(stage) == 1 for stage in ("✓ lab", "✓ survey", "✓ cluster"))


@pytest.mark.parametrize("how", ["keys", "TERM"])
def test_who_asks_to_stop_sees_it_at_once_and_gets_a_clean_terminal_back(how: str) -> None:
    """By Ctrl-C, pressed twice, or a signal; the second asking does not cut short what the first has begun.

    Enter and ^C leave no mark on the frame. Afterwards the cursor is there, keys are echoed, the panel stands last.
    """
    with a_run() as seen:
        assert once(seen.until(drawn))
        assert seen.hidden()
        assert not seen.echoes()
        if how == "keys":
            seen.type(b"\r\r\x03")
        else:
            seen.process.terminate()
        assert once(seen.until(lambda text: "stopping what was started" in text))
        if how == "keys":
            seen.type(b"\x03")
        assert seen.end() == 130
        assert b"\a" in seen.written, "what was started was not taken down to the end"
        assert once(seen.text)
        assert "✗ measure" in seen.text
        assert seen.text.rstrip().endswith("✗ Interrupted\n  why           asked to stop")
        assert "^C" not in seen.text
        assert not seen.hidden()
        assert seen.echoes()


def test_a_window_that_is_dragged_shows_one_whole_frame_each_time() -> None:
    """At 120, 60, 40 and 80 columns, the estimate with its interval stays in view."""
    with a_run() as seen:
        seen.until(drawn)
        for width, height in ((120, 40), (60, 20), (44, 12), (80, 24)):
            seen.resize(width, height)
            seen.screen.reset()
            text = seen.until(lambda text: "690.0 kHz [671.0, 709.1]" in text and "trial 3" in text)
            assert text.count("best so far") == 1
            assert all(len(line) <= width for line in text.splitlines())
        seen.type(b"\x03")
        assert seen.end() == 130
        assert once(seen.text)


@pytest.mark.parametrize(("variable", "value"), [("TERM", "dumb"), ("NO_COLOR", "1"), ("LC_ALL", "C")])
def test_a_poorer_terminal_gets_what_it_can_show(variable: str, value: str) -> None:
    """A dumb one plain lines without a single escape; without colour none is set; without Unicode all is ASCII."""
    extra = {variable: value, **({"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"} if variable == "LC_ALL" else {})}
    with a_run(**extra) as seen:
        seen.until(lambda text: "690.0 kHz [671.0, 709.1]" in text)
        seen.type(b"\x03")
        assert seen.end() == 130
        match variable:
            case "TERM":
                assert b"\x1b" not in seen.written
            case "NO_COLOR":
                assert b"\x1b[3" not in seen.written
                assert b"\x1b[1;3" not in seen.written
            case _:
                assert seen.written.isascii()


def test_a_host_that_refuses_is_one_panel_on_a_terminal(tmp_path: Path) -> None:
    """The real command: the stage that failed, then what, where, why and what to do; no traceback, the cursor there."""
    (tmp_path / "prod.yaml").write_text(
        "fleet: prod\nhosts:\n  box: {role: head, address: 127.0.0.1, port: 2, devices: [{kind: cpu, count: 2}]}\n"
    )
    start = "import sys; from fleet.cli import main; sys.argv = ['fleet', *sys.argv[1:]]; main()"
    home = {"HOME": str(tmp_path)}
    with terminal(sys.executable, "-c", start, "plan", str(tmp_path / "prod.yaml"), extra=home) as seen:
        assert seen.end() == 3
        lines = [line for line in seen.text.splitlines() if line]
        assert lines[0].startswith("  ✗ survey")
        assert lines[-4:] == [
            "✗ A host could not be used",
            "  where         box",
            "  why           nothing listens on 127.0.0.1:2",
            "  what to do    is the host up, and sshd on that port?",
        ]
        assert not seen.hidden()
