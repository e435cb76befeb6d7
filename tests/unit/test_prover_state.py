"""What a host's agents share: turns that never overlap, memory that dies with its agent, totals that only grow."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from prover_usage import read_usage

from fleet.errors import MeasureError
from fleet.remote.prover import layout
from fleet.remote.prover.memory import OutOfMemory
from fleet.remote.prover.state import AgentSeat, DeviceUsage, reset, state_file

TAKE_TURNS = """
import sys, time
from pathlib import Path
from fleet.remote.prover.state import AgentSeat
seat = AgentSeat(Path(sys.argv[1]), sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for _ in range(300):
    turn = seat.take_bus(time.monotonic(), 1e-4)
    print(repr(turn.start), repr(turn.end))
seat.close()
"""

HOLD = """
import sys
from pathlib import Path
from fleet.remote.prover.state import AgentSeat
seat = AgentSeat(Path(sys.argv[1]), "gpu0")
seat.hold_memory(int(sys.argv[2]), int(sys.argv[2]))
with seat.working():
    print("holding", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def program(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A Python program that has said its first line; ended with the block."""
    argv = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield process


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A host's shared file that is not there yet, in a directory that is not either."""
    return state_file(tmp_path / "state")


def test_turns_of_two_processes_never_overlap(path: Path) -> None:
    """Two processes that grab the bus as fast as they can get 600 turns one after the other."""
    with program(TAKE_TURNS, str(path), "gpu0") as one, program(TAKE_TURNS, str(path), "gpu1") as two:
        for process in (one, two):
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        with ThreadPoolExecutor(2) as threads:
            texts = threads.map(lambda process: process.communicate()[0], (one, two))
        turns = sorted(tuple(map(float, line.split())) for text in texts for line in text.splitlines())
    assert len(turns) == 600
    assert all(end <= start for (_, end), (start, _) in pairwise(turns))
    assert read_usage(path, "gpu0").bus_seconds_total <= 600e-4 + 1e-9


def test_a_turn_is_not_taken_while_another_process_looks(path: Path) -> None:
    """Whoever holds the file's lock is alone with it: a turn asked for meanwhile comes after."""
    with closing(AgentSeat(path, "gpu0")) as seat, path.open("rb") as file, ThreadPoolExecutor(1) as threads:
        fcntl.flock(file, fcntl.LOCK_EX)
        asked = threads.submit(seat.take_bus, 1.0, 1.0)
        assert not wait([asked], timeout=0.1).done
        fcntl.flock(file, fcntl.LOCK_UN)
        assert asked.result(timeout=60).end == 2.0


def test_turns_of_one_device_do_not_hold_up_another(path: Path) -> None:
    """Devices compute side by side; only the bus is one for all."""
    with closing(AgentSeat(path, "gpu0")) as one, closing(AgentSeat(path, "gpu1")) as two:
        assert one.take_device(10.0, 5.0).start == 10.0
        assert two.take_device(10.0, 5.0).start == 10.0
        assert one.take_bus(10.0, 2.0).end == 12.0
        assert two.take_bus(10.0, 2.0).start == 12.0


def test_a_turn_starts_when_it_was_due_though_it_is_asked_for_late(path: Path) -> None:
    """An arrival in the past is served in the past as long as the device was free then."""
    with closing(AgentSeat(path, "gpu0")) as seat:
        assert seat.take_device(100.0, 1.0).end == 101.0
        assert seat.take_device(100.5, 1.0).start == 101.0
        assert seat.take_device(200.0, 0.0).end == 200.0
        assert seat.take_device(102.0, 1.0).start == 102.0


def test_an_agent_that_comes_when_the_rest_is_taken_gets_no_memory(path: Path) -> None:
    """Two agents of 9 on a device of 16: the second fails, and fits once the first has gone."""
    first, second = AgentSeat(path, "gpu0"), AgentSeat(path, "gpu0")
    with closing(second):
        with closing(first):
            first.hold_memory(9, 16)
            first.hold_memory(5, 16)
            with pytest.raises(OutOfMemory, match="gpu0: 9 B wanted, 7 B free"):
                second.hold_memory(9, 16)
            assert read_usage(path, "gpu0").memory_used == 9
        second.hold_memory(9, 16)
        assert read_usage(path, "gpu0").memory_used == 9
    assert read_usage(path, "gpu0").memory_used == 0


def test_growing_counts_only_the_growth(path: Path) -> None:
    """An agent that holds 9 of 16 may grow to 16, not beyond."""
    with closing(AgentSeat(path, "gpu0")) as seat:
        seat.hold_memory(9, 16)
        seat.hold_memory(16, 16)
        with pytest.raises(OutOfMemory):
            seat.hold_memory(17, 16)


def test_memory_of_a_killed_agent_is_free_again(path: Path) -> None:
    """kill -9 leaves no memory taken, no lock held and no device busy."""
    with program(HOLD, str(path), "16") as process, closing(AgentSeat(path, "gpu0")) as seat:
        assert read_usage(path, "gpu0").memory_used == 16
        with pytest.raises(OutOfMemory):
            seat.hold_memory(1, 16)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert read_usage(path, "gpu0").memory_used == 0
        seat.hold_memory(16, 16)


def test_a_zombie_holds_nothing(path: Path) -> None:
    """An agent that died and was not waited for by its parent counts as dead."""
    with program(HOLD, str(path), "16") as process:
        process.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert read_usage(path, "gpu0").memory_used == 0


def test_usage_counts_what_has_passed(path: Path) -> None:
    """A turn is busy time once it is over, and in part while it lasts: never what is still to come."""
    with closing(AgentSeat(path, "gpu0")) as seat:
        now = time.monotonic()
        seat.take_device(now - 10.0, 4.0)
        seat.take_bus(now - 10.0, 3.0)
        usage = read_usage(path, "gpu0")
        assert (usage.busy_seconds_total, usage.bus_seconds_total) == pytest.approx((4.0, 3.0))
        seat.take_device(now, 1000.0)
        assert 4.0 <= read_usage(path, "gpu0").busy_seconds_total < 504.0
        assert read_usage(path, "gpu1").busy_seconds_total == 0.0


def test_work_side_by_side_counts_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of agents at work from 10 to 50 and 20 to 30 the device is busy for 40 seconds, told at any time."""
    clock = iter((10.0, 20.0, 25.0, 30.0, 40.0, 50.0, 60.0))
    seen = []
    with closing(AgentSeat(path, "core0")) as one, closing(AgentSeat(path, "core0")) as two:
        monkeypatch.setattr(time, "monotonic", lambda: next(clock))
        with one.working():
            with two.working():
                seen.append(read_usage(path, "core0").busy_seconds_total)
            seen.append(read_usage(path, "core0").busy_seconds_total)
        seen.append(read_usage(path, "core0").busy_seconds_total)
    assert seen == [15.0, 30.0, 40.0]


def test_reset_frees_every_turn_and_keeps_totals_and_living_agents(path: Path) -> None:
    """A trial does not wait for turns that an aborted one left behind, and no total falls."""
    with program(HOLD, str(path), "7") as process, closing(AgentSeat(path, "gpu0")) as seat:
        seat.hold_memory(5, None)
        now = time.monotonic()
        seat.take_bus(now - 2.0, 1e6)
        seat.take_device(now - 2.0, 1e6)
        process.kill()
        process.wait()
        before = read_usage(path, "gpu0")
        reset(path)
        after = read_usage(path, "gpu0")
        later = time.monotonic()
        assert seat.take_bus(later, 1.0).start == seat.take_device(later, 1.0).start == later
    assert after.memory_used == 5
    assert 2.0 <= before.bus_seconds_total <= after.bus_seconds_total < 1e5
    assert 2.0 <= before.busy_seconds_total <= after.busy_seconds_total < 1e5


def test_nothing_there_is_nothing_used(path: Path) -> None:
    """Before the first agent there is no file: nothing to read, nothing to reset, and none is made."""
    reset(path)
    assert read_usage(path, "gpu0") == DeviceUsage()
    assert not path.exists()


def test_turns_from_before_a_reboot_are_not_believed(path: Path) -> None:
    """The monotonic clock starts anew with the machine: an old turn would block for days."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
    assert layout.header().endswith(boot)
    with closing(AgentSeat(path, "gpu0")) as seat:
        seat.take_device(0.0, 1e6)
    with closing(AgentSeat(path, "gpu0")) as seat:
        assert seat.take_device(1.0, 1.0).start == 1e6
    content = path.read_bytes()
    path.write_bytes(content.replace(boot, boot[::-1]))
    reset(path)
    with closing(AgentSeat(path, "gpu0")) as seat:
        assert seat.take_device(1.0, 1.0).start == 1.0


@pytest.mark.parametrize("content", [b"", b"garbage", bytes(layout.SIZE), b"x" * layout.SIZE])
def test_a_file_that_is_none_of_ours_starts_anew(path: Path, content: bytes) -> None:
    """Half a file, or one of another version, is written afresh by the next agent and means nothing until then."""
    path.parent.mkdir()
    path.write_bytes(content)
    reset(path)
    assert read_usage(path, "gpu0") == DeviceUsage()
    with closing(AgentSeat(path, "gpu0")) as seat:
        assert seat.take_device(1.0, 1.0).start == 1.0


def test_the_file_is_the_user_s_own(path: Path) -> None:
    """Nobody else on the host can read or change it."""
    AgentSeat(path, "gpu0").close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """A file where a directory should be, or a link where the file should be: one clear line each."""
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for path in (tmp_path / "file" / "state", tmp_path / "link"):
        with pytest.raises(MeasureError, match=r"shared state .* cannot be used"):
            AgentSeat(path, "gpu0")


def test_closing_twice_is_fine(path: Path) -> None:
    """Clean-up code need not know who closed first."""
    seat = AgentSeat(path, "gpu0")
    seat.close()
    seat.close()
    assert read_usage(path, "gpu0").memory_used == 0


def test_there_is_an_end_to_agents_and_devices(path: Path) -> None:
    """A full device and a full host say so; a name that cannot be kept does too."""
    with ExitStack() as seats:
        for _ in range(layout.MAX_SEATS):
            seats.enter_context(closing(AgentSeat(path, "gpu0")))
        with pytest.raises(MeasureError, match="at most 32 agents"):
            AgentSeat(path, "gpu0")
    AgentSeat(path, "gpu0").close()
    for number in range(1, layout.MAX_DEVICES):
        AgentSeat(path, f"gpu{number}").close()
    with pytest.raises(MeasureError, match="at most 64 devices"):
        AgentSeat(path, "one more")
    with pytest.raises(MeasureError, match="1 to 95 bytes"):
        AgentSeat(path, "ü" * 48)
