"""What Linux says under /proc, as it really says it."""

from __future__ import annotations

import os
import subprocess
from contextlib import closing
from pathlib import Path

from fleet.remote.prover.layout import born
from fleet.remote.sampling.hostfiles import HostFiles, KernelFile, ProcessFiles
from fleet.remote.sampling.procfs import (
    Busy,
    Disks,
    Numa,
    Process,
    Traffic,
    parse_busy,
    parse_cores,
    parse_diskstats,
    parse_meminfo,
    parse_net_dev,
    parse_pressure,
    parse_process,
    parse_runnable,
    share,
)

STAT = """\
cpu  1000 50 300 8000 200 10 20 30 40 0
cpu0 600 50 100 4000 100 10 10 30 40 0
cpu1 400 0 200 4000 100 0 10 0 0 0
intr 33 0 0
ctxt 91
btime 1795396000
processes 5000
procs_running 3
procs_blocked 1
"""
NET_DEV = """\
Inter-|   Receive                                                |  Transmit
 face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed
    lo: 900000  100    0    0    0     0      0         0   900000     100    0    0    0     0       0          0
  eth0:1000 10 0 0 0 0 0 0 2000 20 0 0 0 0 0 0
enp5s0: 30 1 0 0 0 0 0 0 40 1 0 0 0 0 0 0
docker0: 7000 10 0 0 0 0 0 0 7000 20 0 0 0 0 0 0
veth12ab: 7000 10 0 0 0 0 0 0 7000 20 0 0 0 0 0 0
"""


def test_busy_ticks_are_all_but_idle_and_waiting_for_io() -> None:
    """Guest ticks, the last two, are in user time already and are not counted twice."""
    assert parse_busy(STAT) == Busy(busy=1410, total=9610)
    assert parse_busy(STAT, "cpu1") == Busy(busy=610, total=4710)
    assert parse_cores(STAT) == {"cpu0": Busy(busy=800, total=4900), "cpu1": Busy(busy=610, total=4710)}
    assert parse_runnable(STAT) == 3


def test_what_the_kernel_does_not_say_is_none() -> None:
    """A core that was switched off has no line; where /proc cannot be read there is none at all."""
    assert parse_busy(STAT, "cpu2") is None
    assert (parse_busy(""), parse_cores(""), parse_runnable("")) == (None, {}, None)
    assert parse_runnable("procs_running 3") == 3


def test_a_share_needs_two_readings_that_differ() -> None:
    assert share(Busy(busy=10, total=100), Busy(busy=35, total=150)) == 0.5
    assert share(Busy(busy=10, total=100), Busy(busy=10, total=100)) is None
    assert share(None, Busy(busy=10, total=100)) is None


def test_a_counter_that_goes_back_is_no_negative_share() -> None:
    """The kernel's idle counters are known to step back on some machines."""
    assert share(Busy(busy=10, total=100), Busy(busy=5, total=150)) == 0.0


def test_memory_in_use_is_what_new_programs_cannot_have() -> None:
    assert parse_meminfo("MemTotal:  1000 kB\nMemFree: 10 kB\nMemAvailable:    600 kB\nHugePages_Total:       0\n") == (
        400 * 1024,
        1000 * 1024,
    )
    assert parse_meminfo("MemTotal:  1000 kB\n") is None


def test_pressure_is_the_time_in_which_some_task_was_stalled() -> None:
    text = "some avg10=0.58 avg60=1.01 avg300=0.31 total=5056364\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=12\n"
    assert parse_pressure(text) == (5.056364, 0.000012)
    assert parse_pressure("") == (None, None)


def test_traffic_is_what_leaves_the_host() -> None:
    """Loopback never leaves it, and what a container sends is counted at the card that it leaves by."""
    assert parse_net_dev(NET_DEV) == Traffic(received=1030, sent=2040)
    assert parse_net_dev("\n".join(NET_DEV.splitlines()[:3])) is None


def test_damaged_packets_are_counted_both_ways() -> None:
    text = NET_DEV + "eth1: 1 1 2 3 9 9 9 9 1 1 4 5 9 9 9 9\n"
    assert parse_net_dev(text) == Traffic(received=1031, sent=2041, drops=14)


def test_disks_are_counted_once() -> None:
    """A partition's and a volume's bytes are its disk's already; RAM disks and loops are no disks."""
    text = """\
   8       0 sda 10 0 100 5 20 0 200 9 0 1500 14 0 0 0 0
   8       1 sda1 10 0 100 5 20 0 200 9 0 1500 14 0 0 0 0
 259       0 nvme0n1 1 0 8 0 1 0 16 0 0 250 0 0 0 0 0
 259       1 nvme0n1p1 1 0 8 0 1 0 16 0 0 250 0 0 0 0 0
 253       0 dm-0 10 0 100 5 20 0 200 9 0 1500 14 0 0 0 0
   7       0 loop0 10 0 100 5 20 0 200 9 0 1500 14 0 0 0 0
"""
    assert parse_diskstats(text) == Disks(read=108 * 512, written=216 * 512, busy={"sda": 1.5, "nvme0n1": 0.25})
    assert parse_diskstats("   7 0 loop0 10 0 100 5 20 0 200 9 0 1500 14\n") is None


def test_a_process_is_read_whatever_it_calls_itself() -> None:
    """The name is in brackets and may hold brackets, spaces and digits."""
    text = "12 (a) R (b 7) S 1 12 12 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 9 0 777 1000000 25 18446744073709551615 1"
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    assert parse_process(text) == Process(cpu=200 / ticks, memory=25 * page, born=777)
    assert parse_process(text.replace(") S ", ") Z ")) is None
    assert parse_process("") is None


def test_memory_nodes_are_told_where_there_are_several(tmp_path: Path) -> None:
    for node, (free, miss) in enumerate(((100, 3), (400, 4))):
        folder = tmp_path / f"node{node}"
        folder.mkdir()
        text = f"Node {node} MemTotal:       1000 kB\nNode {node} MemFree:         {free} kB\n"
        (folder / "meminfo").write_text(text)
        (folder / "numastat").write_text(f"numa_hit 900\nnuma_miss {miss}\nnuma_foreign 5\n")
        with closing(HostFiles(tmp_path, tmp_path)) as files:
            numa = files.read().slow.numa
        assert numa == (Numa(used=(900 * 1024, 600 * 1024), misses=7) if node else None)


def test_a_host_without_these_files_tells_nothing(tmp_path: Path) -> None:
    with closing(HostFiles(tmp_path)) as files:
        reading = files.read()
    assert (reading.cpu, reading.slow.cores) == (None, {})
    slow = reading.slow
    assert (reading.runnable, slow.memory_used, slow.cpu_stalled, slow.traffic) == (None, None, None, None)


def test_a_file_held_open_is_read_anew_each_time(tmp_path: Path) -> None:
    """However long it is; and what the kernel cannot make up any more is an empty text."""
    path = tmp_path / "stat"
    path.write_text("a" * 200_000)
    with closing(KernelFile(path)) as file:
        assert file.text() == "a" * 200_000
        path.write_text("b")
        assert file.text() == "b"
    assert file.text() == ""
    assert KernelFile(tmp_path / "nothing").text() == ""


def test_processes_come_and_go(tmp_path: Path) -> None:
    """Whoever has ended is left out, and a number that is used again is another process."""
    stat = "(a) S 1 12 12 0 -1 4194560 1 2 3 4 {} 50 0 0 20 0 9 0 {} 1000000 25 18446744073709551615 1"
    for pid, ticks in ((7, 150), (8, 250)):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(f"{pid} {stat.format(ticks, 777)}")
    with closing(ProcessFiles(tmp_path)) as files:
        assert [files.born(pid) for pid in (7, 8, 9)] == [777, 777, None]
        assert set(files.told(frozenset({7, 8, 9}))) == {7, 8}
        assert set(files.told(frozenset({8}))) == {8}
        (tmp_path / "8" / "stat").write_text("")
        assert files.born(8) is None
        assert files.told(frozenset({8})) == {}
        (tmp_path / "8" / "stat").write_text(f"8 {stat.format(250, 777)}")
        assert files.born(8) == 777
        (tmp_path / "8" / "stat").write_text("")  # the file that is held open; the other one stands in its place
        (tmp_path / "8" / "stat").unlink()
        (tmp_path / "8" / "stat").write_text(f"8 {stat.format(950, 999)}")
        assert files.born(8) == 999
        assert files.told(frozenset({8}))[8].cpu == 1000 / os.sysconf("SC_CLK_TCK")


def test_a_process_that_ended_is_gone_though_its_file_is_held_open() -> None:
    child = subprocess.Popen(("sleep", "60"))
    with closing(ProcessFiles()) as files:
        assert files.born(child.pid) == born(child.pid)
        assert set(files.told(frozenset({child.pid}))) == {child.pid}
        child.kill()
        child.wait()
        assert files.born(child.pid) is None
