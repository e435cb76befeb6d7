"""Leaving a host: strays are ended, what runs wrote goes, what was there before stays, a run under way is let be."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from local_transport import LocalTransport
from planted_fleets import guide_box

from fleet.provision.underway import under_way
from fleet.remote.cluster.node import alone
from fleet.remote.leave import BUSY, main
from fleet.remote.paths import paths
from fleet.remote.processes import MARK

pytestmark = pytest.mark.lab


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A work folder as runs leave it."""
    for name in ("run/ray/logs", "agents", "spool"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("run/ray/logs/x.log", "agents/a.log", "spool/r.spool", "mine.txt", "node.lock"):
        (tmp_path / name).write_text("x")
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*"))


def test_what_runs_wrote_goes_and_nothing_else(work: Path) -> None:
    assert main([str(work)]) == 0
    assert names(work) == ["mine.txt", "spool"]


def test_what_was_there_before_stays(work: Path) -> None:
    assert main([str(work), "agents", "spool"]) == 0
    assert names(work) == ["agents", "agents/a.log", "mine.txt", "spool", "spool/r.spool"]


def test_a_stray_of_an_earlier_run_is_ended_and_other_processes_are_not(work: Path) -> None:
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    stray = subprocess.Popen(sleeper, env=os.environ | {MARK: str(work)})
    other = subprocess.Popen(sleeper, env=os.environ | {MARK: f"{work}-other"})
    try:
        assert main([str(work)]) == 0
        assert not Path(f"/proc/{stray.pid}").exists()
        assert other.poll() is None
    finally:
        for process in (stray, other):
            process.kill()
            process.wait()


def test_a_run_that_is_under_way_is_let_be(work: Path) -> None:
    before = names(work)
    with (work / "node.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main([str(work)]) == BUSY
    assert names(work) == before


def test_a_host_where_nothing_ever_ran_is_left_at_once(tmp_path: Path) -> None:
    assert main([str(tmp_path / "never")]) == 0
    assert not (tmp_path / "never").exists()


def test_whoever_comes_is_told_whose_run_holds_the_work_folder(work: Path) -> None:
    """For as long as it does: what stands in the lock's file after a run is nobody's."""
    host = replace(guide_box().head, work_dir=str(work), lab=True)
    assert under_way(LocalTransport(), host) is None
    with alone(paths(str(work)), "ann@laptop,\n process 7 there"):
        told = under_way(LocalTransport(), host)
    assert told == f"ann@laptop, process 7 there (process {os.getpid()} on the host)"
    assert under_way(LocalTransport(), host) is None


def test_a_link_in_place_of_the_lock_leads_to_no_other_file(work: Path) -> None:
    """Somebody may have put it there while the folder was open to others; nor does a pipe keep the asker waiting."""
    lock = work / "node.lock"
    lock.unlink()
    lock.symlink_to(work / "mine.txt")
    with pytest.raises(OSError, match="symbolic links"), alone(paths(str(work)), "ann"):
        pass
    assert (work / "mine.txt").read_text() == "x"
    lock.unlink()
    os.mkfifo(lock)
    assert under_way(LocalTransport(), replace(guide_box().head, work_dir=str(work), lab=True)) is None
