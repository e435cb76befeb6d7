"""The guardian of one host while a command is measured: runs it when it is told to, takes samples, and ends it all.

Started over SSH (`python -m fleet.remote.hand`); what it reads and writes is in `fleet.model.wire`. It needs no Ray. It
ends when the controller says so, closes the connection or falls silent, and on a signal; every run ends with it.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from fleet import __version__
from fleet.codec.text import Malformed
from fleet.errors import MeasureError
from fleet.model.command import CommandSettings
from fleet.model.inventory import Device, DeviceKind
from fleet.model.record import Outcome
from fleet.model.wire import (
    Execute,
    Executed,
    Goodbye,
    HandConfig,
    Mark,
    NodeReady,
    RemoteError,
    StopRuns,
    ToHand,
)
from fleet.plan.trials.command import argv_of, filled, read_figure, values_of
from fleet.remote.cluster.node import alone, clear
from fleet.remote.cores import core_of
from fleet.remote.errand import Errand, Ran, run
from fleet.remote.limit import limited
from fleet.remote.mailbox import Gone, Line, Say, claim_stdin, claim_stdout, listen, on_signals, read
from fleet.remote.paths import paths, private, resolve
from fleet.remote.processes import MARK, adopt_orphans, descendants, end, marked
from fleet.remote.sampling.sampler import Sampler

READING = 2.0
"""Seconds in which a figure must be found in what was printed: a pattern that backtracks may look for ever."""
_LINES, _LINE = 20, 200
_KILLED = -signal.SIGKILL


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A thread's run has ended."""

    order: Execute
    ran: Ran


Mail = Line | Gone | Done | RemoteError


def main() -> int:
    """Guard one host until the end of its run. 0: as told, 1: something failed."""
    say = claim_stdout()
    mail: queue.SimpleQueue[Mail] = queue.SimpleQueue()
    on_signals(mail.put)
    threading.Thread(target=listen, args=(claim_stdin(), mail.put), daemon=True).start()
    host = ""
    try:
        config = _next(mail)
        if not isinstance(config, HandConfig):
            return 0
        host = config.node.host
        _guard(config, mail, say)
    except (MeasureError, OSError) as error:
        hint = error.hint if isinstance(error, MeasureError) else None
        say(RemoteError(host=host, message=error.message if isinstance(error, MeasureError) else str(error), hint=hint))
        return 1
    return 0


def _guard(config: HandConfig, mail: queue.SimpleQueue[Mail], say: Say) -> None:
    of = paths(config.node.work_dir)
    adopt_orphans()
    private(of.work)
    with alone(of, config.node.whose):
        end(lambda: marked(of.work))
        clear(of, resolve(config.node.spool))
        sampler = Sampler(config.node, report=mail.put)
        sampler.start()
        try:
            say(NodeReady(host=config.node.host, pid=os.getpid(), python=sys.version, ray="", fleet=__version__))
            _serve(config, mail, say, sampler)
        finally:
            sampler.stop()
            end(lambda: descendants(os.getpid()))


def _serve(config: HandConfig, mail: queue.SimpleQueue[Mail], say: Say, sampler: Sampler) -> None:
    """Run what we are told to, until there is a reason to end."""
    stop = threading.Event()
    while True:
        heard = _next(mail)
        match heard:
            case Execute():
                threading.Thread(target=_carry_out, args=(config, heard, stop, mail), daemon=True).start()
            case Done():
                say(answer(config.command, heard.order, heard.ran))
            case StopRuns():
                stop.set()
                stop = threading.Event()
            case Mark():
                sampler.mark(heard.name)
            case RemoteError():
                say(heard)
            case Goodbye() | Gone():
                stop.set()
                return
            case HandConfig():
                raise MeasureError("a hand is told its host only once")
            case _:
                assert_never(heard)


def _next(mail: queue.SimpleQueue[Mail]) -> ToHand | Gone | Done | RemoteError:
    item = mail.get()
    if not isinstance(item, Line):
        return item
    try:
        return read(ToHand, item)
    except Malformed as error:
        raise MeasureError(f"a line cannot be read: {error}") from error


def _carry_out(config: HandConfig, order: Execute, stop: threading.Event, mail: queue.SimpleQueue[Mail]) -> None:
    """The thread of one run. A run that was stopped is not answered."""
    ran = run(errand_of(config, order), stop)
    if not stop.is_set():
        mail.put(Done(order=order, ran=ran))


def errand_of(config: HandConfig, order: Execute) -> Errand:
    """The run in full: words, environment, place. A GPU is the only one that it sees, a CPU device is its core."""
    devices, command = config.node.devices, config.command
    device = next(each for each in devices if each.name == order.agent.device)
    number = [each.name for each in devices if each.kind is device.kind].index(device.name)
    values = values_of(command, order, number)
    core = core_of(device.name, devices, os.sched_getaffinity(0)) if device.kind is DeviceKind.CPU else None
    return Errand(
        name=f"{config.node.run}/{order.run}",
        argv=argv_of(command, values),
        environment={
            **os.environ,
            **_seen(device, number),
            **{each.name: filled(each.value, values) for each in command.environment},
            MARK: str(paths(config.node.work_dir).work),
        },
        directory=str(resolve(command.directory)) if command.directory else str(Path.home()),
        core=core,
        timeout=command.timeout,
    )


def _seen(device: Device, number: int) -> dict[str, str]:
    """Which GPUs a run sees: its own by the driver's order, none where its device is a CPU."""
    visible = str(number) if device.kind is DeviceKind.CUDA else ""
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": visible}


def answer(command: CommandSettings, order: Execute, ran: Ran) -> Executed:
    """What a run came to: its figure, or why it has none."""
    value, cause = None, _failure(command, ran)
    if cause is None and command.metric is not None:
        try:
            with limited(READING, "its figure was not found"):
                value = read_figure(command.metric, ran.printed)
        except (ValueError, TimeoutError) as error:
            cause = str(error)
    if cause is None:
        return Executed(run=order.run, agent=order.agent, seconds=ran.seconds, outcome=Outcome.OK, value=value)
    outcome = Outcome.TIMEOUT if ran.late else Outcome.FAILED
    if not ran.late and (short := _short_of_memory(command, ran)):
        outcome, cause = Outcome.OUT_OF_MEMORY, short
    log = _log(ran)
    return Executed(run=order.run, agent=order.agent, seconds=ran.seconds, outcome=outcome, cause=cause, log=log)


def _failure(command: CommandSettings, ran: Ran) -> str | None:
    if ran.late:
        return f"it was not done after {command.timeout:g} s"
    if ran.status is None:
        return f"it cannot be started: {_tame(ran.complained)}"
    if ran.status:
        last = (_log(ran) or ("it printed nothing",))[-1]
        how = f"was ended by signal {-ran.status}" if ran.status < 0 else f"ended with status {ran.status}"
        return f"it {how}: {last}"
    return None


def _short_of_memory(command: CommandSettings, ran: Ran) -> str | None:
    """What says that memory was short; None where nothing does."""
    said = next((text for text in command.out_of_memory if text in ran.printed or text in ran.complained), None)
    if said is not None:
        line = next(line for line in f"{ran.complained}\n{ran.printed}".splitlines() if said.splitlines()[0] in line)
        return _tame(line)
    return "it was killed by the kernel, which does so where memory is short" if ran.status == _KILLED else None


def _log(ran: Ran) -> tuple[str, ...]:
    """The end of what it printed, standard error if there is any."""
    lines = [line for line in (ran.complained.strip() or ran.printed.strip()).splitlines() if line.strip()]
    return tuple(map(_tame, lines[-_LINES:]))


def _tame(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text.strip())[:_LINE]


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main())
