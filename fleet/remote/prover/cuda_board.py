"""What the CUDA prover needs of a card, and the card itself: CuPy, on plain allocations and streams of its own.

The prover's arithmetic and its launches are written against `Board` alone, so that they are checked without a card.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from fleet.errors import ConfigurationError, MeasureError
from fleet.remote.prover.cuda_source import LARGEST_PASS, OPTIONS, pass_shared, source
from fleet.remote.prover.memory import OutOfMemory
from fleet.remote.prover.mps import mps_pipe

Argument = np.uint32 | np.uint64
"""A kernel's argument in the width that it declares; addresses are 64 bits wide."""
RESULT_WORDS = 16
_SLOTS = 3
CURE = "install fleet[cuda13] there (drivers from 580 on) or fleet[cuda12] (from 525 on)"

_CHUNK = 8 * 2**20
"""Bytes staged before their copy to the card starts, while the next ones are staged."""
_STAGERS = 8
"""Threads that stage: one copies some 5 GB/s, a fast card's kernels use up 25 GB/s of traces, its bus carries 55."""
_OUT_OF_MEMORY = 2
"""cudaErrorMemoryAllocation, and CUDA_ERROR_OUT_OF_MEMORY."""
_HINTS = {
    46: "another process has the card to itself: `nvidia-smi -q -d COMPUTE` says whether it is in an exclusive mode",
    214: "the card's memory has an error that ECC could not mend: reset the card, and test it",
    802: "the card's switches are not ready: nvidia-fabricmanager must run, in the driver's version",
    803: "the driver's library and its kernel module differ: restart the host after a driver's update",
}
"""What to do, by CUDA's number of an error; the runtime's and the driver's are the same ones."""
_DEADLY = frozenset({700, 702, 710, *range(714, 720)})
"""The errors that end the context: an address, an instruction or a launch that failed, a kernel that was cut off."""
_DEAD = "the card's state is lost for this agent: the kernel's log (Xid) says whether the card or a program failed"
TO_DEVICE, TO_HOST, ON_DEVICE = 1, 2, 3
"""cudaMemcpyKind."""


class Board(Protocol):
    """One process's place on a card. Work is done in the order of the calls; only `wait` waits for it.

    `slot`: of work under way, at most one piece each; what is sent in one slot is copied while others compute.
    """

    def allocate(self, size: int) -> int:
        """The address of so many bytes of the card's memory. OutOfMemory where there are not as many."""

    def free(self, address: int) -> None:
        """Give an allocation back."""

    def clear(self, address: int, size: int) -> None:
        """Fill with zeros."""

    def send(self, slot: int, data: bytes | memoryview, address: int) -> None:
        """Copy to the card; launches from now on come after it. The data is no longer needed on return."""

    def launch(self, kernel: str, blocks: int, threads: int, arguments: Sequence[Argument], shared: int = 0) -> None:
        """Start a kernel; `shared` in bytes for each block."""

    def fetch(self, slot: int, address: int, words: int) -> None:
        """Copy up to RESULT_WORDS words back once the launches so far are done."""

    def wait(self, slot: int) -> tuple[int, ...]:
        """The words that were fetched last in this slot."""

    def close(self) -> None:
        """Give everything back. Never raises, may be called twice."""


def open_cupy(who: str) -> Any:
    """The package cupy, for `who`. ConfigurationError, with the cure, where it is not installed or finds no driver."""
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # as NVML counts, so that gpu1 is one card to both
    try:
        import cupy  # noqa: PLC0415 (no part of a host without cards)

        count = cupy.cuda.runtime.getDeviceCount()
    except ImportError as error:
        raise ConfigurationError(f"{who}: CUDA cannot be used here: {_line(error)}", hint=CURE) from error
    except Exception as error:
        hint = "nvidia-smi must show the card; the driver must be as new as the CUDA of the cupy that is installed"
        raise ConfigurationError(f"{who}: CUDA cannot be used here: {_line(error)}", hint=hint) from error
    if count == 0:
        hint = "nvidia-smi must show it, and with MIG on an instance of it; see CUDA_VISIBLE_DEVICES"
        raise ConfigurationError(f"{who}: CUDA finds no card", hint=hint)
    return cupy


def _line(error: BaseException) -> str:
    """What an error says in one line: cupy wraps what it could not import in a page of advice."""
    return next((line.strip() for line in str(error.__cause__ or error).splitlines() if line.strip()), "")[:300]


class CupyBoard:
    """A card by its number on the PCI bus, as NVML counts. One context; MPS where its daemon runs.

    ConfigurationError where there is no such card, or cupy cannot use it.
    """

    def __init__(self, number: int) -> None:
        self._cupy = open_cupy(f"gpu{number}")
        runtime = self._runtime = self._cupy.cuda.runtime
        self.mps = mps_pipe()
        count = runtime.getDeviceCount()
        if number >= count:
            raise ConfigurationError(f"there is no card gpu{number}", hint=f"CUDA counts {count} here, from gpu0 on")
        self._device = self._cupy.cuda.Device(number)
        self._allocated: set[int] = set()
        self._staging: dict[int, tuple[int, npt.NDArray[np.uint8]]] = {}
        self._results: dict[int, tuple[int, npt.NDArray[np.uint32]]] = {}
        self._words: dict[int, int] = {}
        self._kernels: dict[str, Any] = {}
        self._pinned: list[int] = []
        self._stagers = ThreadPoolExecutor(min(_STAGERS, os.cpu_count() or 1), thread_name_prefix="staging")
        with self._card():
            self._module = self._cupy.RawModule(code=source(), options=OPTIONS)
            self._compile()
            self._compute = self._cupy.cuda.Stream(non_blocking=True)
            self._copy = self._cupy.cuda.Stream(non_blocking=True)
            self._sent = [self._event() for _ in range(_SLOTS)]
            self._done = [self._event() for _ in range(_SLOTS)]

    def timed(self, work: Callable[[], object], repeats: int = 5) -> float:
        """Seconds that the launches of `work` take on the card: the shortest of some repeats, after one unmeasured."""
        work()
        found = []
        for _ in range(repeats):
            with self._card():
                first, last = self._cupy.cuda.Event(), self._cupy.cuda.Event()
                first.record(self._compute)
                work()
                last.record(self._compute)
                last.synchronize()
                found.append(self._cupy.cuda.get_elapsed_time(first, last) / 1e3)
        return float(min(found))

    def copy(self, target: int, source: int, size: int, kind: int = ON_DEVICE) -> None:
        """Copy within the card, or from and to pinned memory, in the launches' stream."""
        with self._card():
            self._runtime.memcpyAsync(target, source, size, kind, self._compute.ptr)

    def pin(self, size: int) -> int:
        """The address of so much of the host's memory, pinned; given back at the end."""
        with self._card():
            place: int = self._runtime.hostAlloc(size, 0)
        self._pinned.append(place)
        return place

    def unpin(self, place: int) -> None:
        """Give it back now."""
        self._pinned.remove(place)
        with self._card():
            self._runtime.freeHost(place)

    def properties(self) -> Mapping[str, Any]:
        """What cudaGetDeviceProperties says."""
        with self._card():
            found: dict[str, Any] = self._runtime.getDeviceProperties(self._device.id)
        return found

    def allocate(self, size: int) -> int:
        """Plain cudaMalloc: no pool, no managed memory."""
        with self._card():
            address: int = self._runtime.malloc(size)
        self._allocated.add(address)
        return address

    def free(self, address: int) -> None:
        """Give an allocation back."""
        self._allocated.discard(address)
        with self._card():
            self._runtime.free(address)

    def clear(self, address: int, size: int) -> None:
        """Fill with zeros."""
        with self._card():
            self._runtime.memsetAsync(address, 0, size, self._compute.ptr)

    def send(self, slot: int, data: bytes | memoryview, address: int) -> None:
        """Through pinned memory, chunk by chunk: the first is on the bus while the next are staged."""
        given = np.frombuffer(data, dtype=np.uint8)
        with self._card():
            self._sent[slot].synchronize()
            place, pinned = self._staged(slot, given.size)
            starts = range(0, given.size, _CHUNK)

            def stage(first: int) -> None:
                np.copyto(pinned[first : min(first + _CHUNK, given.size)], given[first : first + _CHUNK])

            for first, staged in zip(starts, [self._stagers.submit(stage, first) for first in starts], strict=True):
                staged.result()
                size = min(_CHUNK, given.size - first)
                self._runtime.memcpyAsync(address + first, place + first, size, TO_DEVICE, self._copy.ptr)
            self._sent[slot].record(self._copy)
            self._compute.wait_event(self._sent[slot])

    def launch(self, kernel: str, blocks: int, threads: int, arguments: Sequence[Argument], shared: int = 0) -> None:
        """Start a kernel on the compute stream."""
        with self._card(), self._compute:
            function = self._kernels.get(kernel)
            if function is None:
                function = self._kernels[kernel] = self._module.get_function(kernel)
                if shared:
                    function.max_dynamic_shared_size_bytes = min(shared, pass_shared(LARGEST_PASS))
                    function.preferred_shared_memory_carveout = 100  # or one block may sit where two have room
            function((blocks,), (threads,), tuple(arguments), shared_mem=shared)

    def fetch(self, slot: int, address: int, words: int) -> None:
        """Into pinned memory, once the launches so far are done."""
        with self._card():
            if slot not in self._results:
                place = self._runtime.hostAlloc(4 * RESULT_WORDS, 0)
                self._results[slot] = place, _view(place, 4 * RESULT_WORDS).view(np.uint32)
            self._words[slot] = words
            self._runtime.memcpyAsync(self._results[slot][0], address, 4 * words, TO_HOST, self._compute.ptr)
            self._done[slot].record(self._compute)

    def wait(self, slot: int) -> tuple[int, ...]:
        """Sleeps, and does not spin: the core is the host's."""
        with self._card():
            self._done[slot].synchronize()
        return tuple(int(word) for word in self._results[slot][1][: self._words[slot]])

    def close(self) -> None:
        """Give everything back."""
        self._stagers.shutdown(wait=True)
        with suppress(OutOfMemory, MeasureError), self._card():
            self._device.synchronize()
            for address in self._allocated:
                self._runtime.free(address)
            for place, _ in (*self._staging.values(), *self._results.values()):
                self._runtime.freeHost(place)
            for place in self._pinned:
                self._runtime.freeHost(place)
        self._pinned = []
        self._allocated, self._staging, self._results = set(), {}, {}

    def _compile(self) -> None:
        """By NVRTC, or from cupy's cache on the disk. ConfigurationError where that cannot be done."""
        try:
            self._module.compile()
        except (self._runtime.CUDARuntimeError, self._cupy.cuda.driver.CUDADriverError):
            raise
        except Exception as error:
            message = f"gpu{self._device.id}: the prover's kernels cannot be compiled: {str(error)[:500]}"
            raise ConfigurationError(message, hint=CURE) from error

    def _event(self) -> Any:
        return self._cupy.cuda.Event(block=True, disable_timing=True)

    def _staged(self, slot: int, size: int) -> tuple[int, npt.NDArray[np.uint8]]:
        """The slot's pinned memory, made anew where it is too small."""
        place, pinned = self._staging.get(slot, (0, np.empty(0, dtype=np.uint8)))
        if pinned.size < size:
            if place:
                self._runtime.freeHost(place)
                del self._staging[slot]
            place = self._runtime.hostAlloc(size, 0)
            pinned = _view(place, size)
            self._staging[slot] = place, pinned
        return place, pinned

    @contextmanager
    def _card(self) -> Iterator[None]:
        """Make the card the calling thread's, and errors ours.

        By an object of the call's own: it remembers the card to go back to, and one for all threads would mix them up.
        """
        try:
            with self._cupy.cuda.Device(self._device.id):
                yield
        except (self._runtime.CUDARuntimeError, self._cupy.cuda.driver.CUDADriverError) as error:
            if error.status == _OUT_OF_MEMORY:
                raise OutOfMemory(str(error)) from error
            hint = _HINTS.get(error.status, _DEAD if error.status in _DEADLY else None)
            raise MeasureError(f"gpu{self._device.id}: {error}", hint=hint) from error


def _view(address: int, size: int) -> npt.NDArray[np.uint8]:
    """The bytes at an address of this process, which outlive the array."""
    return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))
