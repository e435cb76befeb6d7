"""Takes samples of one host while something that fleet did not start is measured there, and leaves nothing behind.

Started over SSH, out of a file that was brought for it (`fleet.provision.lending`); it reads one `NodeConfig` line,
then marks and heartbeats, and writes `NodeReady` (`fleet.model.wire`). It ends when the controller says so, closes the
connection or falls silent, and on a signal; its spool, and the file that it came in, go with it.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import assert_never

from fleet import __version__
from fleet.codec.text import Malformed
from fleet.errors import MeasureError
from fleet.model.wire import Goodbye, Mark, NodeConfig, NodeReady, RemoteError, ToNode
from fleet.remote.mailbox import Gone, Line, Say, claim_stdin, claim_stdout, listen, on_signals, read
from fleet.remote.paths import paths, resolve
from fleet.remote.sampling.sampler import Sampler

Mail = Line | Gone | RemoteError


def main() -> int:
    """Look until the end of the run. 0: as told, 1: something failed."""
    say = claim_stdout()
    mail: queue.SimpleQueue[Mail] = queue.SimpleQueue()
    on_signals(mail.put)
    threading.Thread(target=listen, args=(claim_stdin(), mail.put), daemon=True).start()
    host = ""
    try:
        config = _next(mail)
        if isinstance(config, NodeConfig):
            host = config.host
            _look(config, mail, say)
    except MeasureError as error:
        say(RemoteError(host=host, message=error.message, hint=error.hint))
        return 1
    finally:
        if (archive := _archive()) is not None:
            archive.unlink(missing_ok=True)
            with suppress(OSError):
                archive.parent.rmdir()  # it stays where anything else is in it
    return 0


def _look(config: NodeConfig, mail: queue.SimpleQueue[Mail], say: Say) -> None:
    spool = resolve(config.spool)
    spool.unlink(missing_ok=True)
    sampler = Sampler(config, report=mail.put)
    sampler.start()
    try:
        say(NodeReady(host=config.host, pid=os.getpid(), python=sys.version, ray="", fleet=__version__))
        _serve(mail, say, sampler)
    finally:
        sampler.stop()
        spool.unlink(missing_ok=True)
        for folder in (spool.parent, paths(config.work_dir).work):
            with suppress(OSError):
                folder.rmdir()


def _serve(mail: queue.SimpleQueue[Mail], say: Say, sampler: Sampler) -> None:
    """Mark the spool when we are told to, until there is a reason to end."""
    while True:
        match heard := _next(mail):
            case Mark():
                sampler.mark(heard.name)
            case RemoteError():
                say(heard)
            case Goodbye() | Gone():
                return
            case NodeConfig():
                raise MeasureError("an onlooker is told its host only once")
            case _:
                assert_never(heard)


def _next(mail: queue.SimpleQueue[Mail]) -> ToNode | Gone | RemoteError:
    item = mail.get()
    if not isinstance(item, Line):
        return item
    try:
        return read(ToNode, item)
    except Malformed as error:
        raise MeasureError(f"a line cannot be read: {error}") from error


def _archive() -> Path | None:
    """The file that we were started out of; None where we are one of many files in a folder."""
    return next((path for path in Path(__file__).parents if path.is_file()), None)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main())
