"""What a card reaches with nothing in its way: its memory, its bus, its integer units."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fleet.remote.prover.cuda_board import ON_DEVICE, TO_DEVICE, CupyBoard

_WORD = 4
_COPIED = 2**30
_BUSED = 2**28
_BUS_COPIES = 8
_PEAK_BLOCKS_PER_MULTIPROCESSOR = 32
_PEAK_THREADS = 256
_PEAK_ROUNDS = 64
_PEAK_OPERATIONS = 8 * 16
"""Operations of a thread in a round of the microbenchmarks: chains times steps (`measure.cu`)."""


def copy_rate(board: CupyBoard) -> float:
    """Bytes read and written per second: the driver's own copy or a plain kernel's, whichever is the faster."""
    source, target = board.allocate(_COPIED), board.allocate(_COPIED)
    quads = (np.uint64(source), np.uint64(target), np.uint64(_COPIED // 16))
    blocks = int(board.properties()["multiProcessorCount"]) * _PEAK_BLOCKS_PER_MULTIPROCESSOR
    seconds = min(
        board.timed(lambda: board.copy(target, source, _COPIED, ON_DEVICE)),
        board.timed(lambda: board.launch("copy_quads", blocks, _PEAK_THREADS, quads)),
    )
    board.free(source)
    board.free(target)
    return 2 * _COPIED / seconds


def bus_rate(board: CupyBoard, kind: int, before: Callable[[], object] = lambda: None) -> float:
    """Bytes per second over the bus, one way: the mean of some copies that begin when `before` returns."""
    device, host = board.allocate(_BUSED), board.pin(_BUSED)
    target, source = (device, host) if kind == TO_DEVICE else (host, device)

    def copies() -> None:
        for _ in range(_BUS_COPIES):
            board.copy(target, source, _BUSED, kind)

    board.timed(copies, 1)
    before()
    seconds = board.timed(copies, 1)
    board.free(device)
    board.unpin(host)
    return _BUS_COPIES * _BUSED / seconds


def integer_rate(board: CupyBoard, seconds: float) -> float:
    """32-bit multiply-adds per second, the mean over about so long: as the card goes on when it is warm."""
    first = peak_rate(board, "peak_integers")
    runs = max(1, round(seconds * first / _peak_size(board)))
    return peak_rate(board, "peak_integers", runs)


def _peak_size(board: CupyBoard) -> int:
    """Operations of one run of a microbenchmark."""
    blocks = int(board.properties()["multiProcessorCount"]) * _PEAK_BLOCKS_PER_MULTIPROCESSOR
    return blocks * _PEAK_THREADS * _PEAK_ROUNDS * _PEAK_OPERATIONS


def peak_rate(board: CupyBoard, kernel: str, runs: int = 8) -> float:
    """Operations per second of one of the microbenchmarks (`measure.cu`)."""
    blocks = _peak_size(board) // (_PEAK_THREADS * _PEAK_ROUNDS * _PEAK_OPERATIONS)
    sums = board.allocate(_WORD * blocks * _PEAK_THREADS)
    arguments = (np.uint64(sums), np.uint32(_PEAK_ROUNDS), np.uint32(12345))

    def launches() -> None:
        for _ in range(runs):
            board.launch(kernel, blocks, _PEAK_THREADS, arguments)

    seconds = board.timed(launches, 1)
    board.free(sums)
    return runs * _peak_size(board) / seconds
