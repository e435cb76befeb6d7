"""One agent: a Ray actor on its host, with its handle on its device. Answers with values; its log stays on the host."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import ray

from fleet.errors import FleetError
from fleet.model.inventory import DeviceKind, Host
from fleet.model.trial import AgentSpec
from fleet.remote.cores import core_of
from fleet.remote.paths import paths, private
from fleet.remote.processes import die_with
from fleet.remote.prover.device import Digest, Proved, ProverDevice
from fleet.remote.prover.factory import open_device
from fleet.remote.prover.layout import born
from fleet.remote.prover.memory import OutOfMemory
from fleet.remote.prover.mps import mps_pipe
from fleet.remote.prover.state import reset, state_file

IN_HAND = 3
"""Tasks that an agent on a card may have in hand: the one it works on, the next prove, and a join or an end."""
_LOG_LIMIT = 2**20
_TAIL = 20
_LEAVING_PATIENCE = 10.0
_POLL = 0.01

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Did:
    """A task is done. Real seconds: `seconds` since it came or the agent's last one was done, else as in `Proved`."""

    digest: Digest
    seconds: float
    transfer: float
    late: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The agent is up and holds nothing that is in anybody's way; `pid` on its host."""

    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Warm:
    """Kernels are compiled and the memory is taken. `mps`: the agent goes through MPS; None: it is on no card."""

    mps: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """It could not be done: why, and the end of the agent's log."""

    message: str
    out_of_memory: bool
    log: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConfig:
    """What an agent is made from. `host` is its own; `time_scale`, `columns` and `effort` as in the inventory."""

    spec: AgentSpec
    host: Host
    time_scale: float
    columns: int
    effort: int = 1


class Agent:
    """The actor, which dies with its raylet. None of its methods raises.

    Ray runs them one at a time, but up to `IN_HAND` tasks at once where the agent is on a card.
    """

    def __init__(self, config: AgentConfig) -> None:
        # A worker whose raylet is gone would try for a minute to reach a head that may be gone as well.
        die_with(os.getppid())
        self._config = config
        self._paths = paths(config.host.work_dir)
        self._device: ProverDevice | None = None
        self._po2: int | None = None
        self._mps: bool | None = None
        self._ended = 0.0
        self._mutex = threading.Lock()
        self._log = Log(self._paths.agent_log(config.spec.name))
        self._log.write(f"{config.spec.name} is up (process {os.getpid()})")

    def settle(self, po2: int, leaving: Sequence[int]) -> Settled | Failed:
        """Before a trial with segments of 2^po2 cycles, while nothing runs.

        Waits until the processes `leaving`, killed agents of this host, are gone; frees what they left behind; and
        gives its own memory back where the next segments need another amount.
        """
        return self._answer(lambda: self._settle(po2, leaving))

    def warm_up(self, po2: int) -> Warm | Failed:
        """Open the device, compile, take the memory; nothing to do where that was done for this size."""
        return self._answer(lambda: self._warm_up(po2))

    def prove(self, box: Sequence[ray.ObjectRef[bytes]], po2: int) -> Did | Failed:
        """Fetch the one trace in the box from the object store, and prove it.

        In a box, so that the call arrives at once and does not wait at the driver's or the raylet's until it is here.
        """
        return self._answer(lambda: self._did(lambda device, arrival: device.prove(ray.get(box[0]), po2, arrival)))

    def join(self, left: Digest, right: Digest) -> Did | Failed:
        """Fold two digests into one."""
        return self._answer(lambda: self._did(lambda device, _arrival: device.join(left, right)))

    def finalize(self, root: Digest) -> Did | Failed:
        """Turn the root into the job's digest."""
        return self._answer(lambda: self._did(lambda device, _arrival: device.finalize(root)))

    def close(self) -> None:
        """Give the memory back."""
        if self._device is not None:
            self._device.close()
        self._device, self._po2 = None, None

    def _settle(self, po2: int, leaving: Sequence[int]) -> Settled:
        until = time.monotonic() + _LEAVING_PATIENCE
        while any(born(pid) is not None for pid in leaving) and time.monotonic() < until:
            time.sleep(_POLL)
        if still := [str(pid) for pid in leaving if born(pid) is not None]:
            raise RuntimeError(f"agents of an earlier trial still run here: {', '.join(still)}")
        if self._po2 != po2:
            self.close()
        reset(state_file(self._paths.prover))
        return Settled(pid=os.getpid())

    def _warm_up(self, po2: int) -> Warm:
        if self._po2 == po2:
            return Warm(mps=self._mps)
        spec, host = self._config.spec, self._config.host
        device = next(each for each in host.devices if each.name == spec.device)
        self._device = open_device(
            device,
            host_bus=host.bus,
            time_scale=self._config.time_scale,
            state_dir=self._paths.prover,
            core=core_of(device.name, host.devices, os.sched_getaffinity(0)) if device.kind is DeviceKind.CPU else None,
            columns=self._config.columns,
            effort=self._config.effort,
        )
        self._device.warm_up(po2)
        self._po2 = po2
        self._log.write(f"warm for segments of 2^{po2} cycles")
        if self._mps is None and device.kind is DeviceKind.CUDA:
            self._mps = mps_pipe() is not None  # for as long as this process lives: CUDA asks once
        return Warm(mps=self._mps)

    def _did(self, work: Callable[[ProverDevice, float], Proved]) -> Did:
        arrived = time.monotonic()
        if self._device is None:
            raise RuntimeError("a task came before the warm-up")
        proved = work(self._device, arrived)
        with self._mutex:
            begun = max(arrived, self._ended)
            self._ended = max(self._ended, proved.finished)
        return Did(
            digest=proved.digest,
            seconds=max(0.0, proved.finished - begun),
            transfer=proved.transfer_seconds,
            late=proved.late,
        )

    def _answer(self, work: Callable[[], T]) -> T | Failed:
        try:
            return work()
        except OutOfMemory as error:
            return self._failed(str(error), out_of_memory=True)
        except Exception as error:  # noqa: BLE001 (whatever it is, it goes into the log and to the driver as a value)
            return self._failed(f"{type(error).__name__}: {error}", out_of_memory=False)

    def _failed(self, message: str, *, out_of_memory: bool) -> Failed:
        self._log.write(message)
        return Failed(message=message, out_of_memory=out_of_memory, log=tuple(self._log.tail))


class Log:
    """Lines of an agent: all in a file on its host, the last ones at hand. A log that cannot be written is no error."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.tail: deque[str] = deque(maxlen=_TAIL)
        with suppress(OSError, FleetError):
            private(path.parent)
            if path.exists() and path.stat().st_size > _LOG_LIMIT:
                path.unlink()

    def write(self, text: str) -> None:
        """Append a line with the time (UTC)."""
        line = f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {text}"
        self.tail.append(line)
        with suppress(OSError), self._path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
