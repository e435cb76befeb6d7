"""How near the prover's kernels come to what a card reaches, both in one run so that both see the same clocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleet.remote.prover.cuda_board import TO_DEVICE, TO_HOST, CupyBoard
from fleet.remote.prover.cuda_measure import bus_rate, copy_rate, peak_rate
from fleet.remote.prover.cuda_source import BLOCK, passes
from fleet.remote.prover.cuda_work import CudaWork
from fleet.remote.prover.field import MODULUS
from fleet.remote.prover.permutation import DIGEST, ROUNDS, WIDTH

_WORD = 4
_LAYER_SUMS = 4 * 14 + 4 * 7
PRODUCTS = ROUNDS * WIDTH * 4
"""Field multiplications of a compression: x⁷ is four."""
SUMS = (ROUNDS + 1) * _LAYER_SUMS + ROUNDS * WIDTH + DIGEST
"""Its field additions: linear layers, constants, and the input at the end (`hashing.cu`). Five to three products."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peaks:
    """What the card reaches with nothing in its way. `copy`: bytes read and written per second by a copy in its memory.

    `field`: field operations per second, in the hash's proportion; `integers`: 32-bit multiply-adds per second.
    `to_device`, `to_host`: bytes per second over the bus, from and to pinned memory.
    """

    copy: float
    field: float
    integers: float
    to_device: float
    to_host: float


def peaks(board: CupyBoard) -> Peaks:
    """Measure them all; takes about 2 GB of the card's memory for a second."""
    return Peaks(
        copy=copy_rate(board),
        field=max(peak_rate(board, "peak_field"), peak_rate(board, "peak_field_spread")),
        integers=peak_rate(board, "peak_integers"),
        to_device=bus_rate(board, TO_DEVICE),
        to_host=bus_rate(board, TO_HOST),
    )


def fill(board: CupyBoard, address: int, words: int) -> None:
    """Elements drawn by chance: on zeros a card may draw less power and keep higher clocks."""
    drawn = np.random.default_rng(words).integers(0, MODULUS, words, dtype="<u4")
    board.send(0, drawn.tobytes(), address)


def transform_rates(board: CupyBoard, work: CudaWork, po2: int, columns: int) -> tuple[float, float]:
    """Bytes per second that the transforms down and up read and write of the matrix; tables count as nothing.

    The worker has room for segments of this size.
    """
    size = _WORD * columns << po2
    source, target = board.allocate(size), board.allocate(size)
    fill(board, source, columns << po2)
    tables = work.tables(po2)
    moved = 2 * size * len(passes(po2))
    down = board.timed(lambda: work.transform_down(source, po2, tables.interpolate))
    up = board.timed(lambda: work.transform_up(source, target, po2, tables.evaluate, tables.shifts[0]))
    board.free(source)
    board.free(target)
    return moved / down, moved / up


def hash_share(board: CupyBoard, reached: Peaks, rows: int, columns: int) -> float:
    """How near hashing rows comes to the rate of the same field operations with nothing in their way."""
    matrix, digests = board.allocate(_WORD * rows * columns), board.allocate(_WORD * DIGEST * rows)
    fill(board, matrix, rows * columns)
    counts = (np.uint32(columns), np.uint32(rows), np.uint32(1), np.uint32(2))
    arguments = (np.uint64(matrix), np.uint64(digests), *counts)
    seconds = board.timed(lambda: board.launch("hash_rows", -(-rows // BLOCK), BLOCK, arguments))
    board.free(matrix)
    board.free(digests)
    compressions = rows * -(-columns // DIGEST)
    return compressions * (PRODUCTS + SUMS) / seconds / reached.field
