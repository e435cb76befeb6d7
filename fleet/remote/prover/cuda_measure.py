"""What a card reaches: its memory, its bus, its integer units; and how near the prover's kernels come to that.

A card's figures are taken in one run, so that both sides of a share see the same clocks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fleet.remote.prover.cuda_board import ON_DEVICE, TO_DEVICE, TO_HOST, CupyBoard
from fleet.remote.prover.cuda_source import BLOCK, passes
from fleet.remote.prover.cuda_work import CudaWork
from fleet.remote.prover.permutation import DIGEST, ROUNDS, WIDTH

_WORD = 4
_COPIED = 2**30
_BUSED = 2**28
_BUS_COPIES = 8
_PEAK_BLOCKS_PER_MULTIPROCESSOR = 32
_PEAK_THREADS = 256
_PEAK_ROUNDS = 64
_PEAK_OPERATIONS = 8 * 16
"""Operations of a thread in a round of the microbenchmarks: chains times steps (`measure.cu`)."""
_LAYER_SUMS = 4 * 14 + 4 * 7
PRODUCTS = ROUNDS * WIDTH * 4
"""Field multiplications of a compression: x⁷ is four."""
SUMS = (ROUNDS + 1) * _LAYER_SUMS + ROUNDS * WIDTH + DIGEST
"""Its field additions: linear layers, constants, and the input at the end (`hashing.cu`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peaks:
    """What the card reaches with nothing in its way. `copy`: bytes read and written per second by a copy in its memory.

    `products`, `sums`: field multiplications and additions per second; `integers`: 32-bit multiply-adds per second.
    `to_device`, `to_host`: bytes per second over the bus, from and to pinned memory.
    """

    copy: float
    products: float
    sums: float
    integers: float
    to_device: float
    to_host: float


def peaks(board: CupyBoard) -> Peaks:
    """Measure them all; takes about 2 GB of the card's memory for a second."""
    return Peaks(
        copy=copy_rate(board),
        products=_peak(board, "peak_products"),
        sums=_peak(board, "peak_sums"),
        integers=_peak(board, "peak_integers"),
        to_device=bus_rate(board, TO_DEVICE),
        to_host=bus_rate(board, TO_HOST),
    )


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
    first = _peak(board, "peak_integers")
    runs = max(1, round(seconds * first / _peak_size(board)))
    return _peak(board, "peak_integers", runs)


def transform_rates(board: CupyBoard, work: CudaWork, po2: int, columns: int) -> tuple[float, float]:
    """Bytes per second that the transforms down and up read and write of the matrix; tables count as nothing.

    The worker has room for segments of this size.
    """
    size = _WORD * columns << po2
    source, target = board.allocate(size), board.allocate(size)
    board.clear(source, size)
    tables = work.tables(po2)
    moved = 2 * size * len(passes(po2))
    down = board.timed(lambda: work.transform_down(source, po2, tables.interpolate))
    up = board.timed(lambda: work.transform_up(source, target, po2, tables.evaluate, tables.shifts[0]))
    board.free(source)
    board.free(target)
    return moved / down, moved / up


def hash_share(board: CupyBoard, reached: Peaks, rows: int, columns: int) -> float:
    """How near hashing rows comes to its field operations at the card's peak rates, one after the other."""
    matrix, digests = board.allocate(_WORD * rows * columns), board.allocate(_WORD * DIGEST * rows)
    board.clear(matrix, _WORD * rows * columns)
    counts = (np.uint32(columns), np.uint32(rows), np.uint32(1), np.uint32(2))
    arguments = (np.uint64(matrix), np.uint64(digests), *counts)
    seconds = board.timed(lambda: board.launch("hash_rows", -(-rows // BLOCK), BLOCK, arguments))
    board.free(matrix)
    board.free(digests)
    compressions = rows * -(-columns // DIGEST)
    return compressions * (PRODUCTS / reached.products + SUMS / reached.sums) / seconds


def _peak_size(board: CupyBoard) -> int:
    """Operations of one run of a microbenchmark."""
    blocks = int(board.properties()["multiProcessorCount"]) * _PEAK_BLOCKS_PER_MULTIPROCESSOR
    return blocks * _PEAK_THREADS * _PEAK_ROUNDS * _PEAK_OPERATIONS


def _peak(board: CupyBoard, kernel: str, runs: int = 8) -> float:
    blocks = _peak_size(board) // (_PEAK_THREADS * _PEAK_ROUNDS * _PEAK_OPERATIONS)
    sums = board.allocate(_WORD * blocks * _PEAK_THREADS)
    arguments = (np.uint64(sums), np.uint32(_PEAK_ROUNDS), np.uint32(12345))

    def launches() -> None:
        for _ in range(runs):
            board.launch(kernel, blocks, _PEAK_THREADS, arguments)

    seconds = board.timed(launches, 1)
    board.free(sums)
    return runs * _peak_size(board) / seconds
