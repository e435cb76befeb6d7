"""Every kernel compiles for every card that fleet names, keeps its values in registers, and fits a multiprocessor."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from fleet.remote.prover.cuda_source import BLOCK, LARGEST_PASS, OPTIONS, pass_shared, pass_threads, source

CARDS = ("sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120")
REGISTERS = 65536
"""Of a multiprocessor, on all of them (CUDA C++ Programming Guide, technical specifications per compute capability)."""
SHARED = {"sm_75": 64, "sm_80": 164, "sm_86": 100, "sm_89": 100, "sm_90": 228, "sm_100": 228, "sm_120": 100}
"""KiB of shared memory of a multiprocessor (likewise)."""
SYSTEM_SHARED = 1024
"""Bytes that each block takes besides its own (likewise; none on sm_75)."""
_SAID = re.compile(
    r"Compiling entry function '(\w+)' for.*?(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads"
    r".*?Used (\d+) registers",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Built:
    """What ptxas says of one kernel: registers of a thread as they are given out, and bytes in local memory."""

    registers: int
    local: int


@cache
def built(card: str) -> Mapping[str, Built]:
    """Every kernel by its name, compiled for one card. Skips where no compiler is."""
    compiler = shutil.which("nvcc")
    if compiler is None:
        pytest.skip("missing: nvcc (CUDA 12.8 or newer), to compile the kernels for cards that are not here")
    with TemporaryDirectory() as folder:
        text = Path(folder) / "kernels.cu"
        text.write_text(source(), encoding="utf-8")
        words = (*OPTIONS, f"-arch={card}", "-cubin", "-Xptxas", "-v", "-o", f"{folder}/kernels.cubin", str(text))
        done = subprocess.run((compiler, *words), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]
    assert "warning" not in done.stderr, done.stderr[:4000]
    return {
        name: Built(registers=-(-int(used) // 8) * 8, local=int(stack) + int(stores) + int(loads))
        for name, stack, stores, loads, used in _SAID.findall(done.stderr)
    }


@pytest.mark.parametrize("card", CARDS)
def test_every_kernel_compiles_and_stays_in_registers(card: str) -> None:
    """A value in local memory is a value read and written through the cache, in loops that are all arithmetic."""
    kernels = built(card)
    assert (
        len(kernels) == source().count('extern "C" __global__') - 3 + 20 + 3
    )  # macros write 2 passes × 10, and 3 peaks
    assert {name: kernel for name, kernel in kernels.items() if kernel.local} == {}
    for stages in range(1, LARGEST_PASS + 1):
        for way in ("down", "up"):
            needed = kernels[f"{way}_{stages}"].registers * pass_threads(stages)
            assert needed <= REGISTERS, f"{way}_{stages} cannot be launched"


@pytest.mark.parametrize("card", ["sm_80", "sm_90", "sm_100"])
def test_the_largest_pass_has_two_blocks_on_a_multiprocessor(card: str) -> None:
    """While one loads, the other computes: 1024 threads, 128 KiB under way, on cards for data centres."""
    kernels = built(card)
    by_shared = SHARED[card] * 1024 // (pass_shared(LARGEST_PASS) + SYSTEM_SHARED)
    for name in ("down_10", "up_10"):
        by_registers = REGISTERS // (kernels[name].registers * pass_threads(LARGEST_PASS))
        assert min(by_registers, by_shared) >= 2, (name, kernels[name])
    assert REGISTERS // (kernels["hash_rows"].registers * BLOCK) * BLOCK >= 1024


@pytest.mark.parametrize("card", CARDS)
def test_the_largest_pass_fits_every_card(card: str) -> None:
    """The smallest multiprocessors (sm_75) have 64 KiB for a block, to the byte."""
    assert pass_shared(LARGEST_PASS) + (0 if card == "sm_75" else SYSTEM_SHARED) <= SHARED[card] * 1024
