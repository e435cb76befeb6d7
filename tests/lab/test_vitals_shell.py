"""The doctor's questions asked by real shells, with tools on their PATH that answer as NVIDIA's and Docker's do."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from fleet.model.checkup import Docker, Gpu, Sudo, Vitals
from fleet.plan.checkup.vitals import parse_vitals, vitals_script
from fleet.plan.shell.program import Answer, Piece, answers, program

pytestmark = pytest.mark.lab

NONCE = "0123456789abcdef"
SHELLS = ("dash", "bash", "busybox")
SMI = """\
#!/bin/sh
case $1 in
--help-query-gpu) echo '{known}'; exit ;;
--query-gpu=*{known}*) ;;
*) echo 'Field "x" is not a valid field to query.'; exit 2 ;;
esac
echo 'NVIDIA H100 80GB HBM3, 550.54.15, 81559, 0, 0x0000000000000001, 1, 16, 5, 16'
"""
DOCKER = """\
#!/bin/sh
case "$*" in
"version --format {{.Server.Version}}") echo 27.3.1 ;;
"compose version --short") echo 2.29.7 ;;
"info --format {{json .Runtimes}}") echo '{"nvidia":{"path":"x"},"runc":{}}' ;;
*) echo "unknown: $*"; exit 125 ;;
esac
"""
SUDO = "#!/bin/sh\necho 'We trust you have received the usual lecture' >&2\nexit {status}\n"


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> tuple[str, ...]:
    name: str = request.param
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    return (name, "sh", "-s") if name == "busybox" else (name, "-s")


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder that is all of a PATH but for what every system has; the user is nobody's root."""
    for name, text in (("docker", DOCKER), ("id", "#!/bin/sh\necho 1000\n"), ("sudo", SUDO.format(status=0))):
        put(tmp_path, name, text)
    for name in ("sh", "sed", "df", "grep", "tail", "echo", "timeout", "printf"):
        (tmp_path / name).symlink_to(shutil.which(name) or "/bin/sh")
    return tmp_path


def put(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


def asked(shell: tuple[str, ...], tools: Path) -> Vitals:
    done = subprocess.run(
        (shutil.which(shell[0]) or shell[0], *shell[1:]),
        input=vitals_script(NONCE).encode(),
        capture_output=True,
        check=True,
        timeout=120,
        env={"PATH": str(tools), "HOME": os.environ.get("HOME", "/")},
    )
    return parse_vitals(done.stdout, NONCE)


@pytest.mark.parametrize("known", ["clocks_event_reasons.active", "clocks_throttle_reasons.active"])
def test_new_and_old_drivers_are_asked_by_the_names_they_know(shell: tuple[str, ...], tools: Path, known: str) -> None:
    put(tools, "nvidia-smi", SMI.format(known=known))
    found = asked(shell, tools)
    card = Gpu(
        name="NVIDIA H100 80GB HBM3",
        driver="550.54.15",
        memory=81559 * 2**20,
        ecc=0,
        throttle=1,
        link=(1, 16),
        link_max=(5, 16),
    )
    assert (found.gpus, found.gpu_problem) == ((card,), None)
    assert found.docker == Docker(engine="27.3.1", compose="2.29.7", nvidia=True)
    assert found.sudo is Sudo.FREE
    assert found.memory_available
    assert found.shared_memory is not None


def test_what_fails_says_why_and_what_is_missing_is_none(shell: tuple[str, ...], tools: Path) -> None:
    put(tools, "nvidia-smi", "#!/bin/sh\necho 'Failed to initialize NVML: Driver/library version mismatch'\nexit 18\n")
    put(tools, "sudo", SUDO.format(status=1))
    (tools / "docker").unlink()
    (tools / "timeout").unlink()
    found = asked(shell, tools)
    assert found.gpu_problem == "Failed to initialize NVML: Driver/library version mismatch"
    assert (found.gpus, found.docker, found.sudo) == ((), None, Sudo.LOCKED)
    for name in ("nvidia-smi", "sudo"):
        (tools / name).unlink()
    found = asked(shell, tools)
    assert (found.gpus, found.gpu_problem, found.sudo) == ((), None, Sudo.MISSING)


def test_shellcheck_has_nothing_to_say() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    argv = ("shellcheck", "-s", "sh", "-e", "SC2317,SC2329", "-")
    done = subprocess.run(argv, input=vitals_script(NONCE), capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout == ""


def test_a_piece_may_be_called_as_the_program_it_runs(shell: tuple[str, ...], tools: Path) -> None:
    """It once ran itself, without end: a host whose interpreter is plainly `python`."""
    put(tools, "python", "#!/bin/sh\necho it ran\n")
    text = program([Piece(label="python", text="briefly python")], NONCE)
    done = subprocess.run(
        (shutil.which(shell[0]) or shell[0], *shell[1:]),
        input=text.encode(),
        capture_output=True,
        check=True,
        timeout=20,
        env={"PATH": str(tools)},
    )
    assert answers(done.stdout, NONCE)["python"] == Answer(status=0, text="it ran\n")
