"""A segment, a join and a job's end as launches of kernels on any `Board`: buffers, tables, the order of the passes.

Memory for one size, `n` rows and `c` columns: two traces (one is copied to the card while the other is worked on), a
coset's values, the leaves (4·8·n) and nodes (8·n) of the tree, and tables. Digests lie element by element.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from fleet.remote.prover.cuda_board import Argument, Board
from fleet.remote.prover.cuda_source import BLOCK, LANES, pass_shared, pass_threads, passes
from fleet.remote.prover.device import JOIN_LEAVES, Digest
from fleet.remote.prover.field import (
    GENERATOR,
    MODULUS,
    MONTGOMERY,
    from_montgomery,
    inverse,
    root_of_unity,
    to_montgomery,
)
from fleet.remote.prover.memory import OutOfMemory
from fleet.remote.prover.permutation import DIGEST, WIDTH, final_block, row_start
from fleet.remote.prover.trace import BLOW_UP_PO2, trace_shape

BLOW_UP = 1 << BLOW_UP_PO2
SLOTS = 2
_JOIN_SLOT = SLOTS
_WORD = 4
_PAIR = 8
"""Bytes of a factor with its ratio."""
_TABLE_FACTORS = 1 + BLOW_UP
"""Factors for each row: half a row each to interpolate and to evaluate, one for each coset."""
_CHECK_BLOCKS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Addresses of what transforms of one size need; `shifts` scale coefficients to each of the cosets."""

    interpolate: int
    evaluate: int
    shifts: tuple[int, ...]


@dataclass(slots=True, kw_only=True)
class _Room:
    """The buffers for segments of up to 2^po2 rows. `all`: every allocation, to be freed."""

    po2: int
    traces: tuple[int, ...] = ()
    values: int = 0
    leaves: int = 0
    nodes: int = 0
    tables: dict[int, Tables] = field(default_factory=dict)
    all: list[int] = field(default_factory=list)


def working_memory(po2: int, columns: int) -> int:
    """Bytes that segments of 2^po2 rows, and shorter ones between them, take on the card."""
    rows, columns = trace_shape(po2, columns)
    return rows * (_WORD * columns * (SLOTS + 1) + _WORD * DIGEST * (BLOW_UP + 1) + 2 * _PAIR * _TABLE_FACTORS)


class CudaWork:
    """The prover's work on one board, each task's `effort` times over: the last time's result is the answer."""

    def __init__(self, board: Board, columns: int, effort: int = 1) -> None:
        self._board = board
        self._columns = columns
        self._effort = effort
        self._room: _Room | None = None
        self._results = board.allocate((SLOTS + 1) * _WORD * WIDTH)
        self._joined = self._results + _JOIN_SLOT * _WORD * WIDTH
        self._pair = board.allocate(_WORD * WIDTH)
        self._join = tuple(board.allocate(_WORD * DIGEST * JOIN_LEAVES) for _ in range(2))

    def close(self) -> None:
        """Give everything back, and leave the board open."""
        self._leave_room()
        for address in (self._results, self._pair, *self._join):
            self._board.free(address)

    def make_room(self, po2: int, total: int) -> None:
        """Allocate for segments of 2^po2 rows, and so much more that it is `total` bytes. OutOfMemory.

        Where there is room for as large ones already, nothing happens.
        """
        if self._room is not None and self._room.po2 >= po2:
            return
        self._leave_room()
        self._room = _Room(po2=po2)
        try:
            self._fill_room(self._room, total)
        except OutOfMemory:
            self._leave_room()
            raise

    def begin(self, slot: int, trace: bytes | memoryview, po2: int) -> None:
        """Copy a trace to the card and start to prove it, after `make_room`; `finish` the slot's last one first."""
        room, rows, tables = self._made(), 1 << po2, self._tables(po2)
        matrix, result = room.traces[slot], self._results + slot * _WORD * WIDTH
        self._board.send(slot, trace, matrix)
        self._board.clear(result, _WORD * WIDTH)
        self._check(matrix, rows, result + _WORD * DIGEST)
        self.transform_down(matrix, po2, tables.interpolate)
        for _ in range(self._effort):
            self._commit(matrix, po2, result)
        self._board.fetch(slot, result, DIGEST + 1)

    def finish(self, slot: int) -> Digest:
        """The digest of the segment begun in this slot. ValueError where an element of its trace was not below p."""
        *root, too_large = self._board.wait(slot)
        if too_large:
            raise ValueError(f"a trace's elements are below {MODULUS}")
        return tuple(map(from_montgomery, root))

    def join(self, left: Digest, right: Digest) -> Digest:
        """Two digests to one."""
        self._put((*left, *right))
        for _ in range(self._effort):
            self._each("numbered_leaves", JOIN_LEAVES, (_at(self._pair), _at(self._join[0]), _n(JOIN_LEAVES)))
            self._fold(self._join[0], self._join[1], JOIN_LEAVES, self._joined)
        return self._root()

    def finalize(self, root: Digest) -> Digest:
        """The digest of a job."""
        columns = zip(root, final_block(), strict=True)
        self._put(tuple(element for pair in columns for element in pair))
        self._fold(self._pair, self._join[0], 2, self._joined)
        return self._root()

    def transform_down(self, matrix: int, po2: int, twiddles: int) -> None:
        """Transform every column in place, to bit-reversed order."""
        stage = 0
        for stages in passes(po2):
            arguments = (_at(matrix), _at(matrix), _at(twiddles), _n(self._columns), _n(po2), _n(stage))
            self._pass(f"down_{stages}", stages, po2, arguments)
            stage += stages

    def transform_up(self, source: int, target: int, po2: int, twiddles: int, scales: int) -> None:
        """Scale and transform every column from bit-reversed order; `scales` 0 = as they are."""
        stage = po2
        for stages in reversed(passes(po2)):
            stage -= stages
            places = (_at(source), _at(target), _at(twiddles), _at(scales))
            self._pass(f"up_{stages}", stages, po2, (*places, _n(self._columns), _n(po2), _n(stage)))
            source, scales = target, 0

    def tables(self, po2: int) -> Tables:
        """The tables for transforms of 2^po2 rows, for measurements."""
        return self._tables(po2)

    def _commit(self, coefficients: int, po2: int, result: int) -> None:
        """Leave the root over the low-degree extension of a matrix of coefficients, which stay, at `result`."""
        room, rows, tables = self._made(), 1 << po2, self._tables(po2)
        start, tag, *_ = row_start(self._columns)
        for number, shifts in enumerate(tables.shifts):
            self.transform_up(coefficients, room.values, po2, tables.evaluate, shifts)
            leaves = room.leaves + number * _WORD * DIGEST * rows
            arguments = (_at(room.values), _at(leaves), _n(self._columns), _n(rows))
            self._each("hash_rows", rows, (*arguments, _n(to_montgomery(start)), _n(to_montgomery(tag))))
        self._each("fold_cosets", rows, (_at(room.leaves), _at(room.nodes), _n(rows)))
        self._fold(room.nodes, room.leaves, rows, result)

    def _fill_room(self, room: _Room, total: int) -> None:
        rows, columns = trace_shape(room.po2, self._columns)
        trace, digests = _WORD * rows * columns, _WORD * DIGEST * rows
        room.traces = tuple(self._allocate(trace) for _ in range(SLOTS))
        room.values, room.leaves, room.nodes = (self._allocate(size) for size in (trace, BLOW_UP * digests, digests))
        self._tables(room.po2)
        reserve = total - working_memory(room.po2, self._columns)
        if reserve > 0:
            self._allocate(reserve)

    def _leave_room(self) -> None:
        if self._room is not None:
            for address in self._room.all:
                self._board.free(address)
        self._room = None

    def _made(self) -> _Room:
        if self._room is None:
            raise RuntimeError("make_room comes before any segment")
        return self._room

    def _allocate(self, size: int) -> int:
        address = self._board.allocate(size)
        self._made().all.append(address)
        return address

    def _tables(self, po2: int) -> Tables:
        tables = self._made().tables
        if po2 not in tables:
            tables[po2] = self._make_tables(po2)
        return tables[po2]

    def _make_tables(self, po2: int) -> Tables:
        rows = 1 << po2
        root, fine_root = root_of_unity(po2), root_of_unity(po2 + BLOW_UP_PO2)
        # R: the coefficients, plain after interpolation, are in Montgomery form from here on.
        first = MONTGOMERY * inverse(rows) % MODULUS
        shifts = (GENERATOR * pow(fine_root, coset, MODULUS) % MODULUS for coset in range(BLOW_UP))
        return Tables(
            interpolate=self._powers(po2 - 1, 1, inverse(root)),
            evaluate=self._powers(po2 - 1, 1, root),
            shifts=tuple(self._powers(po2, first, shift) for shift in shifts),
        )

    def _powers(self, bits: int, first: int, base: int) -> int:
        address = self._allocate(_PAIR << bits)
        self._each("reversed_powers", 1 << bits, (_at(address), _n(bits), _n(first), _n(base)))
        return address

    def _check(self, matrix: int, rows: int, flag: int) -> None:
        words = rows * self._columns
        blocks = min(_CHECK_BLOCKS, -(-words // (4 * BLOCK)))
        self._board.launch("check_range", blocks, BLOCK, (_at(matrix), np.uint64(words), _at(flag)))

    def _pass(self, kernel: str, stages: int, po2: int, arguments: Sequence[Argument]) -> None:
        blocks = -(-self._columns // LANES) << (po2 - stages)
        self._board.launch(kernel, blocks, pass_threads(stages), arguments, pass_shared(stages))

    def _each(self, kernel: str, count: int, arguments: Sequence[Argument]) -> None:
        """One thread each."""
        self._board.launch(kernel, -(-count // BLOCK), BLOCK, arguments)

    def _fold(self, nodes: int, other: int, count: int, result: int) -> None:
        """Leave the root over a power of two of nodes, two at least, at `result`; both buffers are overwritten."""
        while count > 1:
            count //= 2
            above = result if count == 1 else other
            self._each("fold", count, (_at(nodes), _at(above), _n(count)))
            nodes, other = above, nodes

    def _put(self, elements: Sequence[int]) -> None:
        """Send 16 elements in Montgomery form. ValueError for anything else."""
        if len(elements) != WIDTH or not all(0 <= element < MODULUS for element in elements):
            raise ValueError(f"a digest is {DIGEST} numbers from 0 to {MODULUS - 1}")
        self._board.send(
            _JOIN_SLOT, np.array([to_montgomery(one) for one in elements], dtype="<u4").tobytes(), self._pair
        )

    def _root(self) -> Digest:
        self._board.fetch(_JOIN_SLOT, self._joined, DIGEST)
        return tuple(map(from_montgomery, self._board.wait(_JOIN_SLOT)))


def _at(address: int) -> np.uint64:
    return np.uint64(address)


def _n(value: int) -> np.uint32:
    return np.uint32(value)
