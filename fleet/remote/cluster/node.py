"""The guardian of one host during a run: starts its Ray node and its sampler, and ends all of it, whatever happens.

Started over SSH (`python -m fleet.remote.cluster.node`); what it reads and writes is in `fleet.model.wire`. It ends
when the controller says so, closes the connection or falls silent, on a signal, and when the Ray node falls.
Everything it started, and what that started, is its own by then (it adopts orphans) and is ended before it goes. Where
it is itself killed, the kernel kills the Ray node; a later start on the same work folder sweeps away what may be left.
"""

from __future__ import annotations

import fcntl
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar, assert_never

from fleet.codec.text import Malformed, dump_line
from fleet.errors import MeasureError
from fleet.model.wire import Goodbye, Mark, NodeConfig, NodeReady, RemoteError, ToController, ToNode
from fleet.remote.mailbox import Gone, Line, Say, claim_stdin, claim_stdout, listen, on_signals, read
from fleet.remote.paths import Paths, paths, private, resolve
from fleet.remote.processes import MARK, adopt_orphans, descendants, end, marked, reap
from fleet.remote.sampling.sampler import Sampler

if TYPE_CHECKING:
    from typing_extensions import TypeForm

START_PATIENCE = 90.0
"""Seconds for Ray to start, in which a worker may also wait for the head."""
LOCK_PATIENCE = 10.0
"""Seconds for the previous run to leave the work folder."""
_POLL = 0.2

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Said:
    """A line from our Ray node; None: it has ended."""

    text: str | None


Mail = Line | Gone | Said | RemoteError


def main() -> int:
    """Guard one host until the end of its run. 0: as told, 1: something failed."""
    say = claim_stdout()
    mail: queue.SimpleQueue[Mail] = queue.SimpleQueue()
    on_signals(mail.put)
    threading.Thread(target=listen, args=(claim_stdin(), mail.put), daemon=True).start()
    first = mail.get()
    if not isinstance(first, Line):
        return 1
    try:
        config = read(ToNode, first)
    except Malformed as error:
        say(RemoteError(host="", message=f"the node's configuration cannot be read: {error}"))
        return 1
    if not isinstance(config, NodeConfig):
        return 0
    try:
        return _guard(config, mail, say)
    except (MeasureError, OSError) as error:
        hint = error.hint if isinstance(error, MeasureError) else None
        message = error.message if isinstance(error, MeasureError) else str(error)
        say(RemoteError(host=config.host, message=message, hint=hint))
        return 1


def _guard(config: NodeConfig, mail: queue.SimpleQueue[Mail], say: Say) -> int:
    of = paths(config.work_dir)
    adopt_orphans()
    private(of.work)
    with alone(of, config.whose):
        end(lambda: marked(of.work))
        clear(of, resolve(config.spool))
        child = _start_ray(config, of, mail)
        try:
            return _watch(config, child, mail, say)
        finally:
            end(lambda: descendants(os.getpid()))
            shutil.rmtree(of.short(), ignore_errors=True)


def _watch(config: NodeConfig, child: subprocess.Popen[bytes], mail: queue.SimpleQueue[Mail], say: Say) -> int:
    """Pass on what the Ray node says and take samples, until there is a reason to end."""
    sampler = Sampler(config, report=mail.put)
    latest: float | None = time.monotonic() + START_PATIENCE
    try:
        while True:
            reap(but=child.pid)
            with suppress(queue.Empty):
                match heard := _understand(mail.get(timeout=_POLL)):
                    case NodeReady():
                        latest = None
                        sampler.start()
                        say(heard)
                    case RemoteError():
                        say(heard)
                        if heard.fatal:
                            return 1
                    case Mark():
                        sampler.mark(heard.name)
                    case Goodbye() | Gone():
                        return 0
                    case None:
                        raise MeasureError("Ray's node has ended without a word", hint=_log_hint(config))
                    case _:
                        assert_never(heard)
            if latest is not None and time.monotonic() > latest:
                raise MeasureError(f"Ray has not started within {START_PATIENCE:.0f} s", hint=_log_hint(config))
    finally:
        sampler.stop()


def _understand(item: Mail) -> NodeReady | RemoteError | Mark | Goodbye | Gone | None:
    """What a piece of mail means; None: the Ray node's output has ended. MeasureError for what has no place here."""
    match item:
        case Line():
            heard: object = _parsed(ToNode, item)
        case Said():
            heard = None if item.text is None else _parsed(ToController, Line(item.text))
        case _:
            heard = item
    if heard is None or isinstance(heard, NodeReady | RemoteError | Mark | Goodbye | Gone):
        return heard
    raise MeasureError(f"a node has no use for a {type(heard).__name__}")


def _parsed(type_: TypeForm[T], line: Line) -> T:
    try:
        return read(type_, line)
    except Malformed as error:
        raise MeasureError(f"a line cannot be read: {error}") from error


def _start_ray(config: NodeConfig, of: Paths, mail: queue.SimpleQueue[Mail]) -> subprocess.Popen[bytes]:
    """Start the Ray node; what it says on stdout arrives in the mail, all else goes to a log."""
    with of.node_log.open("ab") as log:
        child = subprocess.Popen(
            (sys.executable, "-P", "-m", "fleet.remote.cluster.raynode"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, MARK: str(of.work)},
        )
    if child.stdin is None or child.stdout is None:
        raise AssertionError("it was started with pipes")
    child.stdin.write(dump_line(config).encode() + b"\n")
    child.stdin.flush()
    threading.Thread(target=_hear, args=(child.stdout, mail), daemon=True).start()
    return child


def _hear(stream: IO[bytes], mail: queue.SimpleQueue[Mail]) -> None:
    for line in stream:
        mail.put(Said(line.decode(errors="replace")))
    mail.put(Said(None))


@contextmanager
def alone(of: Paths, whose: str) -> Iterator[None]:
    """Hold the work folder, and say there whose run it is. MeasureError where another node keeps holding it."""
    # A link that somebody put there while the folder was open to others would lead to another file's end.
    with os.fdopen(os.open(of.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+b") as lock:
        until = time.monotonic() + LOCK_PATIENCE
        while not _locked(lock):
            if time.monotonic() > until:
                raise MeasureError(
                    f"another run of fleet uses {of.work} on this host",
                    hint="wait for its end, or give this fleet a work_dir of its own",
                )
            time.sleep(_POLL)
        lock.truncate(0)
        lock.write(f"{' '.join(whose.split())[:200]} (process {os.getpid()} on the host)\n".encode())
        lock.flush()
        yield


def _locked(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def clear(of: Paths, spool: Path) -> None:
    """Nothing of an earlier run may look like ours; what was sampled then has been fetched then."""
    shutil.rmtree(of.run, ignore_errors=True)
    private(of.run)
    for old in private(spool.parent).glob("*.spool"):
        old.unlink()


def _log_hint(config: NodeConfig) -> str:
    return f"look into {paths(config.work_dir).node_log} there"


if __name__ == "__main__":
    sys.exit(main())
