"""The CUDA kernels' text: the files of `cuda_kernels/` in order, after the constants that they need. No CUDA here.

What NVRTC compiles on a card's host, nvcc for a chosen card, and a host compiler for tests, is this one text.
"""

from __future__ import annotations

from importlib.resources import files

from fleet.remote.prover.field import to_montgomery
from fleet.remote.prover.permutation import ROUNDS, WIDTH, round_constants

FILES = ("field.cu", "transform.cu", "hashing.cu", "measure.cu")
OPTIONS = ("-std=c++17",)
LARGEST_PASS = 10
"""Stages of a transform that one pass over memory does at most: 2^10 rows × 16 columns fill 64 KiB."""
LANES = 16
"""Columns of a tile."""
BLOCK = 128
"""Threads of a block of the hash kernels, which know no other size than they are launched with."""


def source() -> str:
    """The whole translation unit."""
    folder = files("fleet.remote.prover") / "cuda_kernels"
    return "\n".join((_constants(), *((folder / name).read_text(encoding="utf-8") for name in FILES)))


def _constants() -> str:
    rows = ("{" + ", ".join(f"{to_montgomery(c):#x}u" for c in turn) + "}" for turn in round_constants())
    table = ",\n  ".join(rows)
    return (
        f"#define ROUNDS {ROUNDS}\n"
        f"static __constant__ unsigned int ROUND_CONSTANTS[ROUNDS][{WIDTH}] = {{\n  {table}\n}};\n"
    )


def passes(po2: int) -> tuple[int, ...]:
    """Stages of each pass over a transform of 2^po2 rows, the longest stages first: as few and as equal as can be."""
    count = -(-po2 // LARGEST_PASS)
    return tuple(po2 // count + (number < po2 % count) for number in range(count))


def pass_threads(stages: int) -> int:
    """Threads of a block of a pass."""
    return LANES << stages // 2


def pass_shared(stages: int) -> int:
    """Bytes of shared memory of a block of a pass."""
    return 4 * LANES << stages
