"""Compiled programs run by real shells in real folders: applied, applied again, cut off, and lied to."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import shutil
import stat
import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from local_transport import LocalChannel, LocalTransport

from fleet.codec import load_playbook
from fleet.measure.clock import SystemClock
from fleet.model.inventory import Current, Host, Inventory, Login, Ports, Prices, Role, SyntheticSettings
from fleet.model.playbook import (
    Command,
    Completed,
    DirectoryStep,
    FileStep,
    Playbook,
    PythonStep,
    ScriptStep,
    Step,
    StepReport,
    StepState,
)
from fleet.plan.checkup.facts import parse_facts, probe_script
from fleet.plan.shell.program import answers
from fleet.plan.steps import Wheel, change, compile_changes, compile_questions
from fleet.plan.steps.outcome import decide, wanted
from fleet.provision.agents import shipped_playbook
from fleet.provision.apply import apply
from fleet.provision.survey import survey

NONCE = "0123456789abcdef0123456789abcdef"
SHELLS = {
    "sh": ["/bin/sh"],
    "dash": ["dash"],
    "bash": ["bash", "--posix"],
    "busybox": ["busybox", "sh"],
    "ksh": ["ksh"],
    "zsh": ["zsh", "--emulate", "sh"],
}


class Local:
    """This machine's transport, with the shell of our choice instead of /bin/sh for the programs."""

    def __init__(self, shell: Sequence[str]) -> None:
        self._local = LocalTransport()
        self._shell = tuple(shell)

    def run(self, host: Host, command: Command) -> Completed:
        assert command.argv == ("/bin/sh", "-s")
        return self._local.run(host, replace(command, argv=(*self._shell, "-s")))

    def open(self, host: Host, argv: Sequence[str]) -> LocalChannel:
        return self._local.open(host, (*self._shell, *argv[1:]))

    def put(self, host: Host, path: str, data: bytes, mode: int) -> None:
        self._local.put(host, path, data, mode)

    def get(self, host: Host, path: str, offset: int, limit: int) -> bytes:
        return self._local.get(host, path, offset, limit)

    def close(self) -> None:
        self._local.close()


@pytest.fixture(params=[name for name, words in SHELLS.items() if shutil.which(words[0])])
def shell(request: pytest.FixtureRequest) -> list[str]:
    """Every one of the shells that is installed here."""
    return SHELLS[request.param]


@pytest.fixture
def transport(shell: list[str]) -> Local:
    return Local(shell)


@pytest.fixture
def box(tmp_path: Path) -> Host:
    return Host(
        name="box",
        role=Role.HEAD,
        login=Login(address="127.0.0.81"),
        node_address="127.0.0.81",
        devices=(),
        ports=Ports(first=20000, last=20299),
        python=sys.executable,
        work_dir=str(tmp_path / "it's work"),
        lab=True,
    )


def playbook(*steps: Step) -> Playbook:
    return Playbook(name="p", path="p.yaml", steps=steps)


def applied(transport: Local, box: Host, *steps: Step, dry_run: bool = False) -> list[StepReport]:
    return list(apply(transport, playbook(*steps), [box], lambda _: None, dry_run=dry_run))


def states(reports: list[StepReport]) -> list[str]:
    return [report.state.value for report in reports]


def tree(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Everything below a folder: mode, time of change, content."""
    return {
        str(file.relative_to(folder)): (
            file.lstat().st_mode,
            file.lstat().st_mtime_ns,
            file.read_bytes() if file.is_file() else b"",
        )
        for file in [folder, *sorted(folder.rglob("*"))]
    }


CONTENT = "first\n'quoted' \"$HOME\" `id` \\n %s ünïcode\nEOF\n\tno newline at the end"
WORK = (
    DirectoryStep(name="folder", path="{{ host.work_dir }}/a/-b", mode="0750"),
    FileStep(name="file", path="{{ host.work_dir }}/a/-b/$note", content=CONTENT, mode="0640"),
    FileStep(name="empty", path="{{ host.work_dir }}/empty", content=""),
    ScriptStep(
        name="script", unless="test -e {{ host.work_dir }}/mark", run="echo hi >&2; : >{{ host.work_dir }}/mark"
    ),
)


def test_steps_are_applied_once_and_found_right_ever_after(transport: Local, box: Host) -> None:
    assert states(applied(transport, box, *WORK)) == ["changed"] * 4
    work = Path(box.work_dir)
    note = work / "a" / "-b" / "$note"
    assert note.read_text() == CONTENT
    assert (work / "empty").read_bytes() == b""
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (note.parent, note, work / "empty")]
    assert modes == [0o750, 0o640, 0o600]
    before = tree(work)
    assert states(applied(transport, box, *WORK)) == ["right"] * 4
    assert tree(work) == before


def test_a_dry_run_says_what_a_run_would_do_and_touches_nothing(transport: Local, box: Host, tmp_path: Path) -> None:
    before = tree(tmp_path)
    foreseen = applied(transport, box, *WORK, dry_run=True)
    assert states(foreseen) == ["would_change"] * 4
    assert tree(tmp_path) == before
    assert [report.summary for report in applied(transport, box, *WORK)] == [report.summary for report in foreseen]


def test_what_has_drifted_is_put_right_and_nothing_else(transport: Local, box: Host) -> None:
    applied(transport, box, *WORK)
    work = Path(box.work_dir)
    (work / "a" / "-b").chmod(0o2777)
    (work / "a" / "-b" / "$note").write_text("first\nanother\n")
    (work / "empty").chmod(0o644)
    reports = applied(transport, box, *WORK)
    assert [report.summary for report in reports] == [
        f"set mode 0750 on {work}/a/-b",
        f"rewrite {work}/a/-b/$note: +3 −1 lines",
        f"set mode 0600 on {work}/empty",
        "",
    ]
    assert states(reports) == ["changed", "changed", "changed", "right"]


def test_a_link_to_the_right_file_is_right_and_a_dangling_one_is_replaced(transport: Local, box: Host) -> None:
    work = Path(box.work_dir)
    work.mkdir()
    (work / "there").write_text("x")
    (work / "there").chmod(0o600)
    (work / "good").symlink_to(work / "there")
    (work / "bad").symlink_to(work / "nowhere")
    steps = [FileStep(name=name, path=f"{work}/{name}", content="x") for name in ("good", "bad")]
    assert states(applied(transport, box, *steps)) == ["right", "changed"]
    assert (work / "good").is_symlink()
    assert not (work / "bad").is_symlink()
    assert not (work / "nowhere").exists()


def test_what_is_in_the_way_is_left_there_and_the_rest_of_that_host_skipped(transport: Local, box: Host) -> None:
    work = Path(box.work_dir)
    (work / "note").mkdir(parents=True)
    (work / "folder").write_text("precious")
    steps = (
        DirectoryStep(name="made", path=f"{work}/made"),
        DirectoryStep(name="blocked", path=f"{work}/folder"),
        FileStep(name="skipped", path=f"{work}/other", content=""),
    )
    assert states(applied(transport, box, *steps)) == ["changed", "failed", "skipped"]
    assert (work / "folder").read_text() == "precious"
    assert not (work / "other").exists()
    (report,) = applied(transport, box, FileStep(name="note", path=f"{work}/note", content=""))
    assert report.summary == f"{work}/note exists and is no file"


def test_a_failing_change_ends_its_host_and_not_another(transport: Local, box: Host, tmp_path: Path) -> None:
    far = replace(box, name="far", work_dir=str(tmp_path / "far"))
    Path(far.work_dir).write_text("in the way")
    book = playbook(
        DirectoryStep(name="folder", path="{{ host.work_dir }}"),
        FileStep(name="note", path="{{ host.work_dir }}/note", content="x"),
    )
    reports = apply(transport, book, [far, box], lambda _: None, dry_run=False)
    assert states(list(reports)) == ["failed", "skipped", "changed", "changed"]


def test_a_failing_script_gives_its_exit_status_and_the_end_of_what_it_said(transport: Local, box: Host) -> None:
    run = "yes noise | head -n 200000; printf '\\033[31mno space\\033[0m left\\a\\n' >&2; exit 7"
    reports = applied(transport, box, ScriptStep(name="s", unless="false", run=run), *WORK)
    assert states(reports) == ["failed"] + ["skipped"] * 4
    assert reports[0].summary.endswith("exit status 7")
    assert reports[0].detail.endswith("noise\nno space left")
    assert len(reports[0].detail) <= 4100
    assert not Path(box.work_dir).exists()


def test_a_script_that_cures_nothing_has_failed(transport: Local, box: Host) -> None:
    (report,) = applied(transport, box, ScriptStep(name="s", unless="echo still wrong; exit 1", run="true"))
    assert report.state is StepState.FAILED
    assert report.summary == "run: true: done, but the second look still finds it wrong"
    assert report.detail == "still wrong"


def test_a_check_is_looked_at_again_after_the_changes_before_it(transport: Local, box: Host) -> None:
    check = ScriptStep(name="check", unless="test -d {{ host.work_dir }}")
    assert states(applied(transport, box, check, DirectoryStep(name="d", path=box.work_dir))) == ["failed", "skipped"]
    assert states(applied(transport, box, DirectoryStep(name="d", path=box.work_dir), check)) == ["changed", "right"]


def test_a_script_with_a_syntax_error_is_its_own_failure_only(transport: Local, box: Host) -> None:
    steps = (DirectoryStep(name="d", path=box.work_dir), ScriptStep(name="s", unless="if ) ' then", run="}"))
    reports = applied(transport, box, *steps)
    assert states(reports) == ["changed", "failed"]
    assert re.search(r"[Ss]yntax|unmatched|[Uu]nterminated", reports[1].detail)


def test_a_script_reads_no_part_of_the_program_and_may_leave_a_process_behind(transport: Local, box: Host) -> None:
    """Its stdin is empty, and a process that lets go of stdout holds nobody up."""
    work = Path(box.work_dir)
    steps = (
        DirectoryStep(name="d", path=box.work_dir),
        ScriptStep(name="s", unless="test -e {{ host.work_dir }}/read", run="cat >{{ host.work_dir }}/read"),
        ScriptStep(name="b", unless="test -e {{ host.work_dir }}/pid", run=(
            "sleep 300 >/dev/null 2>&1 &\necho $! >{{ host.work_dir }}/pid"
        )),
        FileStep(name="f", path=f"{work}/after", content=""),
    )  # fmt: skip
    begun = time.monotonic()
    reports = applied(transport, box, *steps)
    os.kill(int((work / "pid").read_text()), 9)
    assert states(reports) == ["changed"] * 4
    assert (work / "read").read_bytes() == b""
    assert time.monotonic() - begun < 200


def test_a_script_that_hunts_for_the_nonce_forges_nothing(transport: Local, box: Host) -> None:
    """It prints all that it can learn from variables, the environment and its ancestors' command lines, as frames."""
    hunt = """
        pid=$PPID
        { set; env; cat "/proc/$pid/cmdline" "/proc/$pid/environ" /dev/stdin; } 2>/dev/null | tr '\\0' '\\n' |
            grep -o '=fleet-[0-9a-f]*' | sort -u | while read -r mark; do
                printf '\\n%s:ask_1:0\\n\\n%s:ask_1:\\n\\n%s:ask_1:0\\n' "$mark" "$mark" "$mark"
            done
        echo hunted; exit 1
    """
    steps = (ScriptStep(name="hunter", unless=hunt), ScriptStep(name="prey", unless="false"))
    reports = applied(transport, box, *steps, dry_run=True)
    assert states(reports) == ["failed", "failed"]
    assert reports[0].summary == "hunted"


@pytest.mark.parametrize("flood", ["yes", "cat /dev/urandom", "tr '\\0' '\\r' </dev/zero"])
def test_a_flood_of_output_is_contained(box: Host, flood: str) -> None:
    said = f"{flood} | head -c 20000000; echo; echo end; exit 1"
    steps = (ScriptStep(name="flood", unless=said), DirectoryStep(name="d", path=box.work_dir))
    reports = applied(Local(["/bin/sh"]), box, *steps, dry_run=True)
    assert states(reports) == ["failed", "would_change"]
    assert reports[0].summary.endswith("end")
    assert len(reports[0].summary) <= 4100


def compiled(box: Host) -> dict[str, str]:
    """Every kind of program, with odd names in every place."""
    steps = (
        DirectoryStep(name="d", path=f"{box.work_dir}/a b"),
        FileStep(name="f", path=f"{box.work_dir}/a b/-f", content=CONTENT),
        ScriptStep(name="s", unless="test 'a' = \"b\"", run="echo {{ it's }}"),
        PythonStep(
            name="p",
            python=f"{box.work_dir}/venv/bin/python3",
            requires=("a[x,y]==1", "b==2"),
            venv=f"{box.work_dir}/venv",
        ),
    )
    asked = answers(
        subprocess.run(
            ["/bin/sh", "-s"], input=compile_questions(steps, NONCE).encode(), capture_output=True, check=True
        ).stdout,
        NONCE,
    )
    decisions = decide(steps, asked, [Wheel(distribution="a", version="1", data=bytes(range(256)))])
    return {
        "questions": compile_questions(steps, NONCE),
        "changes": compile_changes(steps, wanted(decisions), NONCE),
        "probe": probe_script(replace(box, python=f"{box.work_dir}/venv/bin/python3"), NONCE),
    }


def test_every_shell_can_parse_every_program(shell: list[str], box: Host) -> None:
    for name, text in compiled(box).items():
        done = subprocess.run([*shell, "-n"], input=text.encode(), capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b""), name


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed here")
@pytest.mark.parametrize("name", ["questions", "changes", "probe"])
def test_shellcheck_finds_nothing_in_the_programs(box: Host, name: str) -> None:
    """But for functions called by a name in a variable, and for data that looks like shell and is quoted for it."""
    indirect, data = "SC2317,SC2329", "SC2016,SC2089,SC2090"
    words = ["shellcheck", "--shell=sh", f"--exclude={indirect},{data}", "--format=gcc", "-"]
    done = subprocess.run(words, input=compiled(box)[name].encode(), capture_output=True, check=False)
    assert done.stdout == b""
    assert done.returncode == 0


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed here")
def test_shellcheck_finds_nothing_in_the_shipped_scripts() -> None:
    for step in load_playbook(str(shipped_playbook("agent.yaml"))).steps:
        if isinstance(step, ScriptStep):
            text = step.unless.replace("{{ host.work_dir }}", "x")
            words = ["shellcheck", "--shell=sh", "--format=gcc", "-"]
            done = subprocess.run(words, input=text.encode(), capture_output=True, check=False)
            assert done.stdout == b"", step.name


def test_a_program_that_was_cut_off_on_its_way_does_nothing(shell: list[str], box: Host) -> None:
    steps = (DirectoryStep(name="d", path=box.work_dir), FileStep(name="f", path=f"{box.work_dir}/f", content=CONTENT))
    absent = compile_questions(steps, NONCE).encode()
    asked = answers(subprocess.run([*shell, "-s"], input=absent, capture_output=True, check=True).stdout, NONCE)
    whole = compile_changes(steps, wanted(decide(steps, asked, ())), NONCE).encode()
    last = whole.rindex(b"}")
    for end in (*range(0, last, 97), last):
        done = subprocess.run([*shell, "-s"], input=whole[:end], capture_output=True, check=False)
        assert not answers(done.stdout, NONCE), end
        assert not Path(box.work_dir).exists(), end
    subprocess.run([*shell, "-s"], input=whole, capture_output=True, check=True)
    assert Path(box.work_dir, "f").read_text() == CONTENT


def test_the_survey_of_this_machine_says_what_is_true(transport: Local, box: Host) -> None:
    inventory = Inventory(
        name="here",
        path="here.yaml",
        hosts=(box, replace(box, name="bare", role=Role.WORKER, python="/nowhere/python3")),
        current=Current(),
        prices=Prices(),
        workload=SyntheticSettings(),
    )
    found = survey(transport, inventory, lambda _: None, SystemClock())
    (facts,) = found.facts
    assert facts.cores == len(os.sched_getaffinity(0))
    assert facts.memory == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert facts.kernel == os.uname().release
    assert facts.python == ".".join(map(str, sys.version_info[:3]))
    assert facts.disk_free
    assert abs(facts.disk_free - shutil.disk_usage(Path(box.work_dir).parent).free) < 2**30
    assert facts.fleet
    (offset,) = found.offsets
    assert abs(offset.offset) <= offset.error + 0.01
    assert [failure.host for failure in found.failures] == ["bare"]


@pytest.mark.parametrize(("status", "gpus"), [(0, ("NVIDIA RTX A4000, 16376 MiB",) * 2), (9, ())])
def test_the_survey_lists_the_gpus_that_the_driver_names(
    transport: Local, box: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, gpus: tuple[str, ...]
) -> None:
    """By the driver's own program, here a stand-in that answers as it does; one that fails lists none."""
    smi = tmp_path / "bin" / "nvidia-smi"
    smi.parent.mkdir()
    smi.write_text(
        '#!/bin/sh\n[ "$*" = "--query-gpu=name,memory.total --format=csv,noheader" ] || exit 2\n'
        f"echo 'NVIDIA RTX A4000, 16376 MiB'; echo 'NVIDIA RTX A4000, 16376 MiB'; exit {status}\n"
    )
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{smi.parent}:{os.environ['PATH']}")
    completed = transport.run(box, Command(argv=("/bin/sh", "-s"), stdin=probe_script(box, NONCE).encode()))
    assert parse_facts("box", completed.stdout, NONCE).gpus == gpus


def tiny_wheel(version: str) -> Wheel:
    """The smallest distribution that pip installs."""
    info = f"fleet_tiny-{version}.dist-info"
    files = {
        "fleet_tiny.py": f"version = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: fleet_tiny\nVersion: {version}\nProvides-Extra: more\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},\n"
        for name, text in files.items()
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in {**files, f"{info}/RECORD": record + f"{info}/RECORD,,\n"}.items():
            archive.writestr(name, text)
    return Wheel(distribution="fleet_tiny", version=version, data=buffer.getvalue())


@pytest.mark.lab
def test_a_venv_is_made_filled_repaired_and_then_left_alone(tmp_path: Path) -> None:
    """No package index is asked: the one distribution comes with the program."""
    venv = tmp_path / "a venv"
    python = f"{venv}/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
    environment = {**os.environ, "PATH": f"{Path(sys.executable).resolve().parent}:{os.environ['PATH']}"}

    def run(program: str) -> bytes:
        words = ["/bin/sh", "-s"]
        done = subprocess.run(words, input=program.encode(), capture_output=True, check=True, env=environment)
        return done.stdout

    def provision(version: str) -> tuple[str, bool]:
        step = PythonStep(name="p", python=python, requires=(f"fleet_tiny[more]=={version}",), venv=str(venv))
        answer = answers(run(compile_questions([step], NONCE)), NONCE)["ask_0"]
        found = change(step, answer, [tiny_wheel(version)])
        if found is None:
            return "", True
        done = answers(run(compile_changes([step], {0: found}, NONCE)), NONCE)
        assert done["change_0"].status == 0, done["change_0"].text
        return found.summary, done["look_0"].status == 0

    base = Path(python).name
    assert provision("1.0") == (f"make a venv in {venv} with {base} and install fleet_tiny 1.0", True)
    assert provision("1.0") == ("", True)
    assert provision("2.0") == ("install fleet_tiny 2.0", True)
    assert not (venv / "wheels").exists()
    Path(python).unlink()
    assert provision("2.0") == (f"make a venv in {venv} with {base} and install fleet_tiny 2.0", True)


def test_a_folder_that_is_no_venv_is_never_cleared(box: Host) -> None:
    venv = Path(box.work_dir) / "venv"
    venv.mkdir(parents=True)
    (venv / "thesis.tex").write_text("precious")
    step = PythonStep(name="p", python=f"{venv}/bin/python3", requires=(), venv=str(venv))
    (report,) = applied(Local(["/bin/sh"]), box, step)
    assert report.state is StepState.FAILED
    assert report.detail == f"{venv} is there and is no venv: move it out of the way"
    assert (venv / "thesis.tex").read_text() == "precious"


def test_the_agent_playbook_makes_this_machine_ready_and_then_changes_nothing(transport: Local, box: Host) -> None:
    """The interpreter that runs the tests has Ray and fleet, as a lab's hosts do."""
    book = load_playbook(str(shipped_playbook("agent.yaml")))
    first = apply(transport, book, [box], lambda _: None, dry_run=False)
    assert {report.state for report in first} == {StepState.CHANGED, StepState.RIGHT}, first
    second = apply(transport, book, [box], lambda _: None, dry_run=False)
    assert {report.state for report in second} == {StepState.RIGHT}, second
