"""The synthetic guest's traces: made anywhere, the same everywhere, for a seed, a segment and a size."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from fleet.remote.prover.field import MODULUS, TWO_ADICITY

if TYPE_CHECKING:
    from fleet.remote.prover.kernels import Matrix

_ELEMENT_BYTES = 4
BLOW_UP_PO2 = 2
MAX_PO2 = TWO_ADICITY - BLOW_UP_PO2
"""Four times 2^25 points is the longest transform that the field allows."""


def trace_shape(po2: int, columns: int) -> tuple[int, int]:
    """(rows, columns) of a trace of 2^po2 rows. ValueError outside po2 1 to 25, and without columns."""
    if not 1 <= po2 <= MAX_PO2:
        raise ValueError(f"a trace has 2^1 to 2^{MAX_PO2} rows, not 2^{po2}")
    if columns < 1:
        raise ValueError(f"a trace has at least one column, not {columns}")
    return 1 << po2, columns


def make_trace(seed: int, index: int, po2: int, columns: int) -> bytes:
    """The trace of segment `index`: row by row, each element a uint32 below p, little-endian.

    SplitMix64 over a counter, keyed by SHA-256 of the arguments: independent of host, process and order.
    """
    from fleet.remote.prover import kernels  # noqa: PLC0415 (numba, which a bare GPU machine may lack)

    rows, columns = trace_shape(po2, columns)
    text = f"fleet trace {seed} {index} {po2} {columns}"
    key = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    elements = np.empty(rows * columns, dtype=np.uint32)
    kernels.fill_trace(np.uint64(key), elements)
    return elements.astype("<u4", copy=False).tobytes()


def trace_po2(trace: bytes, columns: int) -> int:
    """The po2 of a trace's number of rows. ValueError where the length is not that of a trace of so many columns."""
    rows = len(trace) // (_ELEMENT_BYTES * columns)
    po2 = rows.bit_length() - 1
    if not 1 <= po2 <= MAX_PO2 or len(trace) != _ELEMENT_BYTES * columns << po2:
        raise ValueError(f"{len(trace)} bytes are no trace of {columns} columns and a power of two of rows")
    return po2


def read_trace(trace: bytes, columns: int) -> Matrix:
    """A fresh matrix of a trace's elements. ValueError for a wrong length or an element that is not below p."""
    shape = trace_shape(trace_po2(trace, columns), columns)
    matrix = np.frombuffer(trace, dtype="<u4").reshape(shape).astype(np.uint32)
    if matrix.max() >= MODULUS:
        raise ValueError(f"a trace's elements are below {MODULUS}, not {matrix.max()}")
    return matrix
