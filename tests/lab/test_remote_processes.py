"""Processes, pipes and folders as the node uses them, on this machine's kernel."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from cluster_processes import eventually
from cluster_values import card, host

from fleet.codec.text import load_line
from fleet.errors import MeasureError
from fleet.model.inventory import Ports
from fleet.model.samples import HostSample
from fleet.model.trial import AgentSpec
from fleet.model.wire import Marked, NodeConfig, RemoteError, ToController
from fleet.remote.cluster import agent, node, standin
from fleet.remote.mailbox import LINE_LIMIT, Gone, Line, listen
from fleet.remote.paths import paths, private
from fleet.remote.processes import MARK, descendants, end, marked
from fleet.remote.sampling.sampler import Sampler
from fleet.workload.telemetry import parse

pytestmark = pytest.mark.lab

# A guardian of the smallest kind: its child starts a grandchild in a session of its own and dies at once.
GUARDIAN = """
import os, subprocess, sys, time
from fleet.remote.processes import adopt_orphans, descendants, end
adopt_orphans()
child = "import subprocess; subprocess.Popen(('sleep', '300'), start_new_session=True)"
subprocess.run((sys.executable, "-c", child))
found = descendants(os.getpid())
print(len(found), end(lambda: descendants(os.getpid())), len(descendants(os.getpid())))
"""
# A child that dies with its parent, which dies at once.
TIED = '''
import os, subprocess, sys, time
child = """
import os, time
from fleet.remote.processes import die_with
die_with(os.getppid())
print(os.getpid(), flush=True)
time.sleep(300)
"""
process = subprocess.Popen((sys.executable, "-c", child), stdout=subprocess.PIPE)
print(int(process.stdout.readline()), flush=True)
'''


def python(program: str) -> str:
    done = subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def config(folder: Path, spool_limit: int = 2**20) -> NodeConfig:
    return NodeConfig(
        run="r",
        host="box",
        address="127.0.0.61",
        head="127.0.0.61",
        gcs_port=27000,
        ports=Ports(first=27000, last=27059),
        token="",
        work_dir=str(folder),
        devices=(),
        spool=str(folder / "spool" / "r.spool"),
        interval=0.05,
        spool_limit=spool_limit,
    )


def test_an_orphan_in_another_session_is_adopted_and_ended() -> None:
    """One was found, none is left, and none waits to be reaped."""
    assert python(GUARDIAN).split() == ["1", "[]", "0"]


def test_a_child_dies_with_its_parent() -> None:
    child = int(python(TIED))
    assert eventually(lambda: not Path(f"/proc/{child}/cmdline").exists() or not _words(child), within=20)


def _words(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_marked_processes_are_found_by_their_exact_folder(tmp_path: Path) -> None:
    """Not by one whose name begins alike; and never ourselves, whatever we carry."""
    process = subprocess.Popen(("sleep", "300"), env={MARK: str(tmp_path / "a")})
    try:
        assert eventually(lambda: marked(tmp_path / "a") == [process.pid], within=20)
        assert marked(tmp_path) == []
        assert marked(tmp_path / "ab") == []
    finally:
        assert end(lambda: marked(tmp_path / "a")) == []
        assert process.wait(timeout=20) in (-signal.SIGKILL, 0)
    assert os.getpid() not in descendants(os.getpid())


def hear(data: bytes, *, silence: float | None = 5.0, close: bool = True) -> list[Line | Gone]:
    """What `listen` posts of this."""
    reader, writer = os.pipe()
    posted: list[Line | Gone] = []
    thread = threading.Thread(target=listen, args=(reader, posted.append, silence))
    thread.start()
    os.write(writer, data)
    if close:
        os.close(writer)
    thread.join(20)
    assert not thread.is_alive()
    os.close(reader)
    if not close:
        os.close(writer)
    return posted


def test_heartbeats_are_no_lines_and_the_end_is_told_once() -> None:
    """What is not ended by a newline was not said."""
    assert hear(b"one\n\n\n  \ntwo\nthr") == [
        Line("one"),
        Line("two"),
        Gone("the controller has closed the connection"),
    ]


def test_silence_is_an_end_too() -> None:
    """A network may break without a word; the pipe stays open."""
    assert hear(b"one\n", silence=0.2, close=False) == [Line("one"), Gone("the controller has been silent for 0 s")]


def test_a_line_without_an_end_is_not_collected_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleet.remote.mailbox.LINE_LIMIT", 10)
    assert LINE_LIMIT > 10
    assert hear(b"x" * 11, close=False) == [Gone("the controller sent a line without an end")]


def test_a_node_tells_what_is_wrong_with_its_configuration() -> None:
    done = subprocess.run(
        (sys.executable, "-m", "fleet.remote.cluster.node"),
        input=b'{"kind": "node_config", "run": 1}\n',
        capture_output=True,
        timeout=60,
        check=False,
    )
    said = load_line(ToController, done.stdout)
    assert isinstance(said, RemoteError)
    assert said.message.startswith("the node's configuration cannot be read: ")
    assert done.returncode == 1


def test_a_work_folder_belongs_to_one_run_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second controller is told, and the first one's node is left in peace."""
    monkeypatch.setattr(node, "LOCK_PATIENCE", 0.3)
    of = paths(str(private(tmp_path / "w")))
    refused = pytest.raises(MeasureError, match="another run of fleet uses")
    with node.alone(of, "me"), refused, node.alone(of, "me"):
        pass
    with node.alone(of, "me"):
        pass


def test_a_stand_in_says_where_nobody_listens_and_ends_with_the_raylet(tmp_path: Path) -> None:
    """Ray waits for these files; an option that Ray adds to the command is no port."""
    words = (
        sys.executable,
        "-I",
        "-S",
        standin.__file__,
        str(tmp_path),
        "ab",
        "a_port=-1",
        "b_port=26006",
        "--minimal",
    )
    process = subprocess.Popen(words, stdin=subprocess.PIPE)
    assert eventually((tmp_path / "b_port_ab").exists, within=20)
    assert (tmp_path / "a_port_ab").read_text() == "-1"
    assert (tmp_path / "b_port_ab").read_text() == "26006"
    assert process.poll() is None
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_the_sampler_appends_whole_blocks_until_it_is_stopped(tmp_path: Path) -> None:
    """What it was told to mark stands before the mark."""
    troubles: list[RemoteError] = []
    sampler = Sampler(config(tmp_path), troubles.append)
    sampler.start()
    spool = tmp_path / "spool" / "r.spool"
    assert eventually(lambda: spool.exists() and len(parse(spool.read_bytes(), 0).lines) >= 3, within=20)
    sampler.mark("here")
    assert eventually(lambda: any(isinstance(each, Marked) for each in parse(spool.read_bytes(), 0).lines), within=20)
    sampler.stop()
    found = parse(spool.read_bytes(), 0)
    assert found.unread == 0
    assert found.offset == spool.stat().st_size
    size = found.offset
    time.sleep(3 * config(tmp_path).interval)
    assert spool.stat().st_size == size
    assert isinstance(found.lines[0], HostSample)
    assert troubles == []
    assert spool.stat().st_mode & 0o777 == 0o600


def test_a_full_spool_is_told_once_and_grows_no_more(tmp_path: Path) -> None:
    troubles: list[RemoteError] = []
    sampler = Sampler(config(tmp_path, spool_limit=2000), troubles.append)
    sampler.start()
    assert eventually(lambda: bool(troubles), within=20)
    sampler.stop()
    assert (tmp_path / "spool" / "r.spool").stat().st_size <= 2000
    (trouble,) = troubles
    assert (trouble.fatal, trouble.message.endswith("is full; no more telemetry from this host")) == (False, True)


def test_an_agent_refuses_a_trial_beside_one_that_was_killed_and_still_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was left at work takes the device's time: the trial fails with its process, until that is gone."""
    monkeypatch.setattr(agent, "die_with", lambda _: None)
    monkeypatch.setattr(agent, "_LEAVING_PATIENCE", 0.05)
    box = host("box", 0, [card("gpu0")], work_dir=str(tmp_path))
    spec = AgentSpec(host="box", device="gpu0")
    fresh = agent.Agent(agent.AgentConfig(spec=spec, host=box, time_scale=25.0, columns=4))
    left = subprocess.Popen(("sleep", "300"))
    try:
        answer = fresh.settle(20, (left.pid,))
        assert isinstance(answer, agent.Failed)
        assert answer.message.endswith(f"still run here: {left.pid}")
    finally:
        left.kill()
        left.wait()
    assert isinstance(fresh.settle(20, (left.pid,)), agent.Settled)
