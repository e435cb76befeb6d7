"""The CUDA kernels compute what the CPU's do, bit by bit: their own text, compiled for this machine."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from cuda_boards import HostBoard

from fleet.remote.prover import cpu, reference
from fleet.remote.prover.cuda_source import passes
from fleet.remote.prover.cuda_work import CudaWork, working_memory
from fleet.remote.prover.field import MODULUS, root_of_unity
from fleet.remote.prover.memory import OutOfMemory
from fleet.remote.prover.trace import make_trace


@pytest.fixture
def board() -> Iterator[HostBoard]:
    """A board whose memory is checked when the test ends."""
    board = HostBoard()
    yield board
    board.close()


def proved(board: HostBoard, po2: int, columns: int, seed: int = 1) -> tuple[int, ...]:
    """The digest of a segment, from a worker of its own."""
    work = CudaWork(board, columns)
    work.make_room(po2, 0)
    work.begin(0, make_trace(seed, 0, po2, columns), po2)
    return work.finish(0)


@pytest.mark.parametrize("po2", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14])
def test_a_segment_of_every_pass_size_has_the_cpus_digest(board: HostBoard, po2: int) -> None:
    """One pass up to 2^10 rows, two beyond, equal halves or not."""
    assert proved(board, po2, 8) == cpu.prove(make_trace(1, 0, po2, 8), 8)


@pytest.mark.parametrize("columns", [1, 2, 3, 7, 9, 15, 16, 17, 24, 33, 64])
def test_a_segment_of_any_width_has_the_cpus_digest(board: HostBoard, columns: int) -> None:
    """Tiles of 16 columns and blocks of eight elements that are full or not."""
    assert proved(board, 6, columns) == cpu.prove(make_trace(1, 0, 6, columns), columns)


def test_a_segment_has_the_digest_of_plain_python_too(board: HostBoard) -> None:
    """Held against the obvious prover, which shares no code with either of the fast ones."""
    assert proved(board, 4, 5) == reference.prove(reference.trace(1, 0, 4, 5))


@pytest.mark.parametrize("shift", [1, 2, 37])
def test_the_order_in_which_threads_run_does_not_matter(shift: int) -> None:
    """A missing barrier, or blocks that share what they write, would show."""
    board = HostBoard(shift=shift)
    assert proved(board, 13, 20) == cpu.prove(make_trace(1, 0, 13, 20), 20)
    board.close()


@pytest.mark.parametrize("largest", [2, 3, 4])
def test_a_transform_of_three_passes_and_more_is_the_same(
    board: HostBoard, largest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Passes in the middle have blocks before them and rows between theirs."""
    monkeypatch.setattr("fleet.remote.prover.cuda_source.LARGEST_PASS", largest)
    assert len(passes(11)) == -(-11 // largest)
    assert proved(board, 11, 9) == cpu.prove(make_trace(1, 0, 11, 9), 9)


def test_the_longest_passes_transform_as_they_should(board: HostBoard) -> None:
    """Two passes of ten stages, on one column: known at two points, and down and up again is every value times rows."""
    po2 = 20
    assert passes(po2) == (10, 10)
    work = CudaWork(board, 1)
    work.make_room(po2, 0)
    column = np.frombuffer(make_trace(3, 0, po2, 1), dtype=np.uint32)
    matrix, values = board.allocate(column.nbytes), board.allocate(column.nbytes)
    board.send(0, column.tobytes(), matrix)
    tables = work.tables(po2)
    work.transform_down(matrix, po2, tables.interpolate)
    down = board.read(matrix, column.size).astype(np.uint64)
    total = int(column.astype(np.uint64).sum()) % MODULUS
    alternating = int(column[::2].astype(np.int64).sum() - column[1::2].astype(np.int64).sum()) % MODULUS
    assert (down[0], down[1]) == (total, alternating)  # at the points 1 and −1: bit-reversed order
    work.transform_up(matrix, values, po2, tables.evaluate, 0)
    rows = np.uint64(column.size)
    assert np.array_equal(board.read(values, column.size), column.astype(np.uint64) * rows % np.uint64(MODULUS))


def test_extreme_elements_are_no_exception(board: HostBoard) -> None:
    """Zeros, and p − 1 everywhere: where a reduction too few overflows."""
    work = CudaWork(board, 8)
    work.make_room(8, 0)
    for element in (0, 1, MODULUS - 1):
        trace = np.full(8 << 8, element, dtype="<u4").tobytes()
        work.begin(0, trace, 8)
        assert work.finish(0) == cpu.prove(trace, 8)


def test_joins_and_a_jobs_end_are_the_cpus(board: HostBoard) -> None:
    """The same constant work."""
    work = CudaWork(board, 8)
    left, right = (cpu.prove(make_trace(seed, 0, 3, 8), 8) for seed in (1, 2))
    extreme = (MODULUS - 1,) * 8
    assert work.join(left, right) == cpu.join(left, right)
    assert work.join(extreme, extreme) == cpu.join(extreme, extreme)
    assert work.finalize(left) == cpu.finalize(left)


def test_work_done_several_times_over_has_the_same_digests(board: HostBoard) -> None:
    """All kernels of a commitment and of a join are launched again, and nothing of the last time is in the way."""
    digests, launched = [], []
    for effort in (1, 3):
        work = CudaWork(board, 8, effort)
        work.make_room(6, 0)
        board.launches.clear()
        work.begin(0, make_trace(1, 0, 6, 8), 6)
        digest = work.finish(0)
        digests.append((digest, work.join(digest, digest)))
        launched.append([kernel for kernel, _, _ in board.launches])
        work.close()
    assert digests[0] == digests[1]
    for kernel, often in (("check_range", 1), ("hash_rows", 3), ("fold_cosets", 3), ("numbered_leaves", 3)):
        assert launched[1].count(kernel) == often * launched[0].count(kernel) > 0


def test_two_segments_under_way_and_a_join_between_them_do_not_meet(board: HostBoard) -> None:
    """Each slot has its own trace and result; a shorter last segment has its own tables."""
    work = CudaWork(board, 8)
    work.make_room(7, 0)
    first, second = make_trace(1, 0, 7, 8), make_trace(1, 1, 5, 8)
    work.begin(0, first, 7)
    work.begin(1, second, 5)
    joined = work.join((1,) * 8, (2,) * 8)
    assert (work.finish(0), work.finish(1)) == (cpu.prove(first, 8), cpu.prove(second, 8))
    assert joined == cpu.join((1,) * 8, (2,) * 8)


@pytest.mark.parametrize(("po2", "columns"), [(1, 1), (1, 3), (3, 8)])
@pytest.mark.parametrize("place", [0, 1, -1])
def test_an_element_that_is_none_of_the_field_is_refused(board: HostBoard, po2: int, columns: int, place: int) -> None:
    """Wherever it stands; the next segment is proved as if nothing had been."""
    work = CudaWork(board, columns)
    work.make_room(po2, 0)
    good = make_trace(1, 0, po2, columns)
    bad = np.frombuffer(good, dtype="<u4").copy()
    bad[place] = MODULUS
    work.begin(0, bad.tobytes(), po2)
    with pytest.raises(ValueError, match=f"below {MODULUS}"):
        work.finish(0)
    work.begin(0, good, po2)
    assert work.finish(0) == cpu.prove(good, columns)


def test_memory_is_what_is_said_and_too_little_is_an_error_that_can_be_survived() -> None:
    """Allocated = working memory, or the total that was asked for; after an OutOfMemory a smaller size still works."""
    board = HostBoard(capacity=2 * 10**6)
    work = CudaWork(board, 8)
    fixed = board.used
    work.make_room(8, 10**6)
    assert 0 <= 10**6 - (board.used - fixed) <= working_memory(8, 8)
    with pytest.raises(OutOfMemory):
        work.make_room(9, 3 * 10**6)
    assert board.used == fixed
    work.make_room(4, 0)
    assert fixed < board.used <= fixed + working_memory(4, 8)
    trace = make_trace(1, 0, 4, 8)
    work.begin(0, trace, 4)
    assert work.finish(0) == cpu.prove(trace, 8)
    board.close()


@pytest.mark.parametrize("po2", range(1, 26))
def test_passes_are_few_and_even(po2: int) -> None:
    """Two passes up to 2^20 rows, three beyond; their stages are the transform's."""
    stages = passes(po2)
    assert sum(stages) == po2
    assert len(stages) == (1 if po2 <= 10 else 2 if po2 <= 20 else 3)
    assert max(stages) - min(stages) <= 1
    assert pow(root_of_unity(po2), 2**po2, MODULUS) == 1
