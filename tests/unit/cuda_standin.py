"""As much of the package cupy as fleet uses, on this machine's memory: proves fleet's calls, and nothing of a card.

As strict as a card: more than 48 KiB of shared memory must be asked for, arguments have their exact widths, what was
not allocated cannot be freed. Its times are those of this machine, and mean nothing.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from types import SimpleNamespace, TracebackType
from typing import Any

import numpy as np
from cuda_boards import HostBoard

from fleet.remote.prover.memory import OutOfMemory

_UNASKED = 48 * 1024


class CudaError(Exception):
    """As CUDARuntimeError."""

    def __init__(self, status: int) -> None:
        super().__init__(f"error {status}")
        self.status = status


class DriverError(Exception):
    """As CUDADriverError, what launches and the loading of kernels raise."""

    def __init__(self, status: int) -> None:
        super().__init__(f"driver's error {status}")
        self.status = status


class _Context:
    """What cupy enters and leaves."""

    def __enter__(self) -> None:
        """Nothing."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Nothing."""


class Event:
    """A time."""

    def __init__(self, block: bool = False, disable_timing: bool = False) -> None:  # noqa: FBT001, FBT002 (cupy's signature)
        del block, disable_timing
        self.at = 0.0

    def record(self, stream: Stream) -> None:
        """Now."""
        assert isinstance(stream, Stream)
        self.at = time.perf_counter()

    def synchronize(self) -> None:
        """It has passed already."""


class Stream(_Context):
    """One after the other, at once."""

    def __init__(self, *, non_blocking: bool) -> None:
        assert non_blocking
        self.ptr = 7

    def wait_event(self, event: Event) -> None:
        """It has passed already."""
        assert isinstance(event, Event)


class Device(_Context):
    """A card."""

    def __init__(self, number: int) -> None:
        self.id = number

    def synchronize(self) -> None:
        """All is done already."""


class Kernel:
    """One of the kernels' own text."""

    def __init__(self, board: HostBoard, name: str) -> None:
        self._board = board
        self._name = name
        self.max_dynamic_shared_size_bytes = _UNASKED
        self.preferred_shared_memory_carveout = -1

    def __call__(
        self, grid: tuple[int], block: tuple[int], args: Sequence[np.uint32 | np.uint64], *, shared_mem: int = 0
    ) -> None:
        """Run it to its end."""
        assert shared_mem <= self.max_dynamic_shared_size_bytes
        assert all(type(argument) in {np.uint32, np.uint64} for argument in args)
        self._board.launch(self._name, grid[0], block[0], args, shared_mem)


class Runtime:
    """cudaMalloc and its like, on `cards` cards that share `capacity` bytes."""

    CUDARuntimeError = CudaError

    def __init__(self, cards: int, capacity: int) -> None:
        self._cards = cards
        self._capacity = capacity
        self.board = HostBoard(capacity=capacity)
        self.pinned = HostBoard()

    def getDeviceCount(self) -> int:  # noqa: N802 (cupy's name)
        """How many."""
        return self._cards

    def getDeviceProperties(self, number: int) -> dict[str, Any]:  # noqa: N802 (cupy's name)
        """A small card."""
        assert 0 <= number < self._cards
        return {"name": b"Stand-in", "multiProcessorCount": 1, "totalGlobalMem": self._capacity}

    def memGetInfo(self) -> tuple[int, int]:  # noqa: N802 (cupy's name)
        """Free and in all."""
        return self._capacity - self.board.used, self._capacity

    def malloc(self, size: int) -> int:
        """Of the card's memory."""
        try:
            return self.board.allocate(size)
        except OutOfMemory:
            raise CudaError(2) from None

    def free(self, address: int) -> None:
        """Give it back."""
        self.board.free(address)

    def hostAlloc(self, size: int, flags: int) -> int:  # noqa: N802 (cupy's name)
        """Pinned memory."""
        assert flags == 0
        return self.pinned.allocate(size)

    def freeHost(self, address: int) -> None:  # noqa: N802 (cupy's name)
        """Give it back."""
        self.pinned.free(address)

    def memcpyAsync(self, target: int, source: int, size: int, kind: int, stream: int) -> None:  # noqa: N802 (cupy's name)
        """At once."""
        assert kind in {1, 2, 3}
        assert stream == 7
        ctypes.memmove(target, source, size)

    def memsetAsync(self, address: int, value: int, size: int, stream: int) -> None:  # noqa: N802 (cupy's name)
        """At once."""
        assert stream == 7
        ctypes.memset(address, value, size)


def stand_in(cards: int = 1, capacity: int = 2**28) -> Any:
    """What `import cupy` is to give."""
    runtime = Runtime(cards, capacity)
    cuda = SimpleNamespace(
        runtime=runtime,
        driver=SimpleNamespace(CUDADriverError=DriverError),
        Device=Device,
        Stream=Stream,
        Event=Event,
        get_elapsed_time=lambda first, last: (last.at - first.at) * 1e3,
    )

    class RawModule:
        """The kernels."""

        def __init__(self, *, code: str, options: tuple[str, ...]) -> None:
            assert "hash_rows" in code
            assert options == ("-std=c++17",)

        def compile(self) -> None:
            """Done by the board."""

        def get_function(self, name: str) -> Kernel:
            """One of them."""
            return Kernel(runtime.board, name)

    return SimpleNamespace(cuda=cuda, RawModule=RawModule)
