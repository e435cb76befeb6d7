"""`fleet watch` on hosts with real SSH servers, and its shell program in a real shell."""

from __future__ import annotations

import os
import queue
import socket
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.codec import dump_line, load, load_inventory
from fleet.lab.loopback import running
from fleet.measure.watching import Watching
from fleet.model.watch import Frame, HostLost, Look, WatchConfig
from fleet.remote.bareprobe import BEGIN, END, PROGRAM, Bare, look, parse_bare
from fleet.transport.ssh import SshTransport

pytestmark = pytest.mark.lab

INVENTORY = """\
fleet: watched
lab: {{backend: loopback}}
hosts:
  box: {{role: head, devices: [{{kind: cpu}}], address: 127.0.0.45, port: {0}, ports: 31100-31149}}
  far: {{devices: [{{kind: cpu}}], address: 127.0.0.46, port: {1}, ports: 31150-31199}}
"""
SMI = """\
#!/bin/sh
echo "0, Card, GPU-1, 00000000:17:00.0, 97, 40, 24564, 8192, 401.25, 450.00, 66, 2520, 3105, 10251, 4, 8, 4, 16"
echo "1, Old Card, GPU-2, 00000000:65:00.0, [N/A], [N/A], 8192, 10, [N/A], [N/A], 40, [N/A], [N/A], 405, 1, 16, 3, 16"
echo "Unable to determine the device handle for GPU2: Unknown Error"
"""


@pytest.fixture
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    file = tmp_path / "watched.yaml"
    with socket.create_server(("127.0.0.45", 0)) as box, socket.create_server(("127.0.0.46", 0)) as far:
        file.write_text(INVENTORY.format(box.getsockname()[1], far.getsockname()[1]))
    return file


def test_one_look_at_a_lab_as_a_user_takes_it(inventory: Path) -> None:
    """Plain lines where nobody redraws, or one JSON object; both hosts are there."""
    argv = (sys.executable, "-c", "from fleet.cli import main; main()", "watch", str(inventory), "--once", "-n", "0.5")
    plain = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert (plain.returncode, plain.stderr) == (0, "")
    assert [line.split()[1] for line in plain.stdout.splitlines()] == ["box/cpu0", "far/cpu0"]
    told = subprocess.run((*argv, "--json"), capture_output=True, text=True, timeout=120, check=True)
    frame = load(Frame, told.stdout)
    assert [host.name for host in frame.hosts] == ["box", "far"]
    assert all(host.look and host.look.host.cpu_busy is not None and host.lost is None for host in frame.hosts)


def test_a_host_without_fleet_is_looked_at_all_the_same_and_a_lost_one_comes_back(inventory: Path) -> None:
    """`box` has no such interpreter: the shell program looks. Then both servers end, and are started again."""
    heard: queue.SimpleQueue[tuple[str, Look | HostLost]] = queue.SimpleQueue()

    def wait_for(name: str, kind: type[Look | HostLost]) -> Look | HostLost:
        while True:
            host, what = heard.get(timeout=60)
            if (host, type(what)) == (name, kind):
                return what

    loaded = load_inventory(str(inventory))
    with closing(SshTransport()) as transport:
        with running(loaded) as reached:
            bare = replace(reached.host("box"), python="/nowhere/python")
            watching = Watching(transport, (bare, reached.host("far")), 0.5, lambda what, name: heard.put((name, what)))
            watching.__enter__()
            found = wait_for("box", Look)
            assert isinstance(found, Look)
            assert found.host.memory_total
            assert found.host.cores is None or found.host.cpu_busy is not None
            wait_for("far", Look)
        wait_for("far", HostLost)
        with running(loaded):
            wait_for("far", Look)
            wait_for("box", Look)
            watching.__exit__(None, None, None)


def test_the_shell_program_asks_nvidia_smi_where_there_is_one(tmp_path: Path) -> None:
    """In any POSIX shell: two looks make one; `[N/A]` is None, never 0; a line that makes no sense is left out."""
    smi = tmp_path / "nvidia-smi"
    smi.write_text(SMI)
    smi.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with subprocess.Popen(
        ("/bin/sh", "-c", PROGRAM, "sh", "0.2"), stdout=subprocess.PIPE, text=True, env=environment
    ) as shell:
        assert shell.stdout is not None
        looks: list[Bare] = []
        text: list[str] = []
        while len(looks) < 2:
            line = shell.stdout.readline().rstrip("\n")
            if line == BEGIN:
                text = []
            elif line == END:
                looks.append(parse_bare("box", "\n".join(text), ["first"]))
            else:
                text.append(line)
        shell.stdout.close()
        shell.wait(timeout=20)
    found = look("box", "10.0.0.5", *looks)
    first, second = found.devices
    assert (first.busy, first.memory_used, first.power, first.pcie_width) == (0.97, 8 * 2**30, 401.25, 8)
    assert (second.busy, second.power, second.sm_clock, second.temperature) == (None, None, None, 40)
    assert (first.device, second.device) == ("first", "gpu1")
    assert (found.cards[0].model, found.cards[0].pcie_width_max, found.cards[1].model) == ("Card", 16, "Old Card")
    assert found.host.memory_total
    assert found.host.cpu_busy is not None


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (
            "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 580.65\n",
            "Failed to init",
        ),
        ("no nvidia-smi there\n", "no nvidia-smi there"),
        ("", "nvidia-smi said nothing"),
        (f"{SMI.splitlines()[1][6:-1]}\n", "nvidia-smi lists 1 GPUs only"),
    ],
)
def test_declared_cards_that_nvidia_smi_does_not_list_are_rows_that_say_why(said: str, why: str) -> None:
    """A host must not look like one without GPUs because its driver broke."""
    found = parse_bare("box", f"up 1.0\nnow 2\n=file gpus\n{said}", ["gpu0", "gpu1"])
    assert [device.device for device in found.devices] == ["gpu0", "gpu1"]
    assert found.lacks[-1].device == "gpu1"
    assert found.lacks[-1].reason.startswith(why)
    assert found.devices[-1].busy is None


QUIET = "import fleet.remote.mailbox as box; box.listen.__defaults__ = (0.5,)"
"""Whoever minds silence, minds half a second of it."""


def test_a_watcher_goes_on_though_nobody_talks_to_it_and_ends_with_its_stdin(tmp_path: Path) -> None:
    """Once every host was lost, and found again, each minute."""
    config = WatchConfig(host="box", address="127.0.0.1", work_dir=str(tmp_path), devices=(), interval=0.25)
    argv = (sys.executable, "-c", f"{QUIET}; from fleet.remote.watcher import main; raise SystemExit(main())")
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as watcher:
        assert watcher.stdin is not None
        assert watcher.stdout is not None
        watcher.stdin.write(f"{dump_line(config)}\n")
        watcher.stdin.flush()
        looks = 0
        while looks < 8 and (line := watcher.stdout.readline()):
            looks += not line.strip()
        watcher.stdin.close()
        watcher.stdout.read()
        assert (looks, watcher.wait(timeout=60)) == (8, 0)
