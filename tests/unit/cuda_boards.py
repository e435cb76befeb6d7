"""A board without a card: the CUDA kernels' own text, compiled for this machine by g++ and run thread by thread.

It proves the arithmetic, the indices, the barriers and the launches; it says nothing of a card's speed. Allocations are
surrounded by guard words, which a write beyond one's own memory destroys.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import numpy.typing as npt
import pytest

from fleet.remote.prover.cuda_board import Argument
from fleet.remote.prover.cuda_source import LARGEST_PASS, pass_shared, source
from fleet.remote.prover.memory import OutOfMemory

SHIM = Path(__file__).parent / "cuda_host" / "shim.h"
_GUARD = 64
_GUARD_BYTE = 0xA5
_ARGUMENTS = 7
_ONE_AT_A_TIME = threading.Lock()
"""The grid that runs is the library's only one, as a stream's is a card's; an agent's threads launch side by side."""


@lru_cache(maxsize=1)
def compiled() -> ctypes.CDLL:
    """The kernels as a library of this machine. Skips where no g++ is."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("missing: g++, to compile the CUDA kernels' text for this machine")
    folder = Path(mkdtemp(prefix="fleet-cuda-"))
    try:
        text, library = folder / "kernels.cpp", folder / "kernels.so"
        text.write_text(source(), encoding="utf-8")
        words = ("-std=c++17", "-O2", "-w", "-shared", "-fPIC", "-include", str(SHIM), "-o", str(library), str(text))
        done = subprocess.run((compiler, *words), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[:4000]
        return ctypes.CDLL(str(library))
    finally:
        shutil.rmtree(folder)


class HostBoard:
    """Memory of this process as a card's, `capacity` bytes of it. `shift` changes the order that threads run in."""

    def __init__(self, capacity: int = 2**30, shift: int = 0) -> None:
        self._library = compiled()
        self._capacity = capacity
        self._shift = shift
        self._held: dict[int, npt.NDArray[np.uint8]] = {}
        self._fetched: dict[int, tuple[int, ...]] = {}
        self.launches: list[tuple[str, int, int]] = []
        self.closed = False

    @property
    def used(self) -> int:
        """Bytes that are allocated now."""
        return sum(array.size - 2 * _GUARD for array in self._held.values())

    def allocate(self, size: int) -> int:
        """Filled with garbage, as a card's memory is."""
        if self.used + size > self._capacity:
            raise OutOfMemory("cudaErrorMemoryAllocation: out of memory")
        array = np.full(size + 2 * _GUARD + 256, _GUARD_BYTE, dtype=np.uint8)
        first = -(array.ctypes.data + _GUARD) % 256
        array = array[first : first + size + 2 * _GUARD]
        address = int(array.ctypes.data) + _GUARD
        self._held[address] = array
        return address

    def free(self, address: int) -> None:
        """Give it back, with its guards whole."""
        array = self._held.pop(address)
        assert (array[:_GUARD] == _GUARD_BYTE).all(), "written before an allocation"
        assert (array[-_GUARD:] == _GUARD_BYTE).all(), "written beyond an allocation"

    def clear(self, address: int, size: int) -> None:
        """Fill with zeros."""
        ctypes.memset(address, 0, size)

    def send(self, slot: int, data: bytes | memoryview, address: int) -> None:
        """At once."""
        del slot
        ctypes.memmove(address, bytes(data), len(data))

    def launch(self, kernel: str, blocks: int, threads: int, arguments: Sequence[Argument], shared: int = 0) -> None:
        """Run it to its end, within a card's limits."""
        assert 0 < threads <= 1024
        assert 0 < blocks < 2**31
        assert shared <= pass_shared(LARGEST_PASS) == 65536
        self.launches.append((kernel, blocks, threads))
        given = (ctypes.c_uint64 * _ARGUMENTS)(*(int(argument) for argument in arguments))
        entry = ctypes.cast(getattr(self._library, kernel), ctypes.c_void_p)
        with _ONE_AT_A_TIME:
            self._library.run_grid(entry, blocks, threads, given, int(shared > 0), self._shift)

    def fetch(self, slot: int, address: int, words: int) -> None:
        """At once."""
        self._fetched[slot] = tuple(self.read(address, words).tolist())

    def wait(self, slot: int) -> tuple[int, ...]:
        """What was fetched."""
        return self._fetched[slot]

    def close(self) -> None:
        """Give everything back, with the guards whole."""
        for address in tuple(self._held):
            self.free(address)
        self.closed = True

    def read(self, address: int, words: int) -> npt.NDArray[np.uint32]:
        """A copy of what lies there."""
        return np.frombuffer(ctypes.string_at(address, 4 * words), dtype=np.uint32).copy()
