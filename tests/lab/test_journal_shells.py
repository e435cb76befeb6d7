"""The journal in real shells and real folders: what was changed is put back, after any cut, once, and for ever."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from local_transport import LocalChannel, LocalTransport

from fleet.codec import dump_line
from fleet.errors import ConnectError
from fleet.model.hostevent import StepDone
from fleet.model.inventory import Host, Login, Ports, Role, Variable
from fleet.model.journal import Entry, EntryState
from fleet.model.playbook import (
    Command,
    Completed,
    DirectoryStep,
    FileStep,
    Playbook,
    ScriptStep,
    Step,
    StepReport,
    StepState,
    Undo,
)
from fleet.plan.shell.journal import Recording, journal_of, record, run_id, settle
from fleet.provision.apply import Terms, apply
from fleet.provision.journal import Journal
from fleet.provision.recall import recall
from fleet.provision.restore import Wanted, restore
from fleet.store import open_ledger

SHELLS = {
    "sh": ["/bin/sh"],
    "bash": ["bash", "--posix"],
    "busybox": ["busybox", "sh"],
    "ksh": ["ksh"],
    "zsh": ["zsh", "--emulate", "sh"],
}


class Local:
    """This machine's transport with a shell of our choice; `cut` ends a program before the first piece of that name."""

    def __init__(self, shell: Sequence[str] = ("/bin/sh",), cut: str | None = None) -> None:
        self._local = LocalTransport()
        self._shell = tuple(shell)
        self.cut = cut
        self.sent: list[bytes] = []

    def run(self, host: Host, command: Command) -> Completed:
        text = command.stdin.decode()
        self.sent.append(command.stdin)
        if self.cut is not None:
            text = re.sub(rf"(?m)^framed {self.cut}\b", f"kill -9 $$\nframed {self.cut}", text, count=1)
        command = replace(command, argv=(*self._shell, *command.argv[1:]), stdin=text.encode())
        return self._local.run(host, command)

    def open(self, host: Host, argv: Sequence[str]) -> LocalChannel:
        raise AssertionError(f"{host.name} {argv}")

    def put(self, host: Host, path: str, data: bytes, mode: int) -> None:
        self._local.put(host, path, data, mode)

    def get(self, host: Host, path: str, offset: int, limit: int) -> bytes:
        return self._local.get(host, path, offset, limit)

    def close(self) -> None:
        self._local.close()


@pytest.fixture(params=[name for name, words in SHELLS.items() if shutil.which(words[0])])
def transport(request: pytest.FixtureRequest) -> Local:
    return Local(SHELLS[request.param])


@pytest.fixture
def box(tmp_path: Path) -> Host:
    work = tmp_path / "it's work"
    work.mkdir()
    return Host(
        name="box",
        role=Role.HEAD,
        login=Login(address="127.0.0.81"),
        node_address="127.0.0.81",
        devices=(),
        ports=Ports(first=20000, last=20299),
        python="python3",
        work_dir=str(work),
        lab=True,
    )


def steps(box: Host) -> tuple[Step, ...]:
    """One of each kind of change: made and altered, folder, file, link and script."""
    work = box.work_dir
    return (
        DirectoryStep(name="new folder", path=f"{work}/new/deep/-er", mode="0750"),
        DirectoryStep(name="folder's mode", path=f"{work}/old", mode="0700"),
        FileStep(name="new file", path=f"{work}/new/deep/-er/$note", content="new\n"),
        FileStep(name="other content", path=f"{work}/old/note", content="changed\n", mode="0600"),
        FileStep(name="file's mode", path=f"{work}/old/mode", content="same", mode="0600"),
        FileStep(name="a link", path=f"{work}/old/link", content="no link any more\n"),
        ScriptStep(
            name="script",
            unless="test -e {{ host.work_dir }}/mark",
            run=": >{{ host.work_dir }}/mark",
            undo="rm -f {{ host.work_dir }}/mark",
        ),
    )


def furnish(box: Host) -> None:
    old = Path(box.work_dir) / "old"
    old.mkdir(mode=0o755)
    (old / "note").write_bytes(b"old \xff\x00 bytes\n")
    (old / "note").chmod(0o640)
    (old / "mode").write_text("same")
    (old / "mode").chmod(0o755)
    (old / "link").symlink_to("note")


def tree(folder: Path) -> dict[str, tuple[object, ...]]:
    """Everything below a folder: mode, time of change of files, content or target."""
    return {
        str(file.relative_to(folder)): (
            stat.filemode(file.lstat().st_mode),
            file.lstat().st_mtime_ns if file.is_file() and not file.is_symlink() else 0,
            str(file.readlink()) if file.is_symlink() else file.read_bytes() if file.is_file() else b"",
        )
        for file in sorted(folder.rglob("*"))
    }


def applied(transport: Local, box: Host, *wanted: Step, terms: Terms | None = None) -> list[StepReport]:
    playbook = Playbook(name="p", path="p.yaml", steps=wanted)
    return list(apply(transport, playbook, [box], lambda _: None, dry_run=False, terms=terms))


def restored(
    transport: Local, box: Host, *, dry_run: bool = False, forget: bool = False, journal: Journal | None = None
) -> list[StepReport]:
    journal = journal or Journal(inventory="i")
    return list(restore(transport, [box], lambda _: None, journal, Wanted(dry_run=dry_run, forget=forget)))


def states(reports: list[StepReport]) -> list[str]:
    return [report.state.value for report in reports]


def test_everything_is_put_back_newest_first_and_a_second_time_there_is_nothing(
    transport: Local, box: Host, tmp_path: Path
) -> None:
    furnish(box)
    before = tree(tmp_path)
    wanted = steps(box)
    assert states(applied(transport, box, *wanted)) == ["changed"] * len(wanted)
    changed = tree(Path(box.work_dir))
    assert states(restored(transport, box, dry_run=True)) == ["would_change"] * len(wanted)
    assert tree(Path(box.work_dir)) == changed
    reports = restored(transport, box)
    assert [report.step for report in reports] == [step.name for step in reversed(wanted)]
    assert states(reports) == ["changed"] * len(wanted)
    assert tree(tmp_path) == before
    assert restored(transport, box) == []


@pytest.mark.parametrize("at", range(7))
@pytest.mark.parametrize("piece", ["record", "change", "look", "mark"])
def test_a_program_cut_off_anywhere_is_put_back(box: Host, tmp_path: Path, piece: str, at: int) -> None:
    """Killed before a piece: the next restoration finds the host as it was, whatever had been done."""
    furnish(box)
    before = tree(tmp_path)
    reports = applied(Local(cut=f"{piece}_{at}"), box, *steps(box))
    assert states(reports)[at:] in (
        ["failed"] + ["skipped"] * (6 - at),
        ["changed"] + ["failed"] + ["skipped"] * (5 - at),
        ["changed"],
    )
    reports = restored(Local(), box)
    assert set(states(reports)) <= {"changed"}
    assert len(reports) == at + (piece != "record")
    assert tree(tmp_path) == before


@pytest.mark.parametrize("piece", ["undo", "look", "drop"])
@pytest.mark.parametrize("at", [0, 3, 6])
def test_a_restoration_cut_off_anywhere_is_finished_by_the_next(box: Host, tmp_path: Path, piece: str, at: int) -> None:
    furnish(box)
    before = tree(tmp_path)
    applied(Local(), box, *steps(box))
    restored(Local(cut=f"{piece}_{at}"), box)
    assert set(states(restored(Local(), box))) <= {"changed"}
    assert tree(tmp_path) == before
    assert restored(Local(), box) == []


@pytest.mark.parametrize("piece", ["change_5", "look_6", "mark_6"])
def test_what_a_controller_left_that_was_killed_is_settled_by_the_next_run(
    transport: Local, box: Host, piece: str
) -> None:
    """Whether that one has anything to change or not: no open entry stays, none that is not whole, and no lock."""
    furnish(box)
    transport.cut = piece
    applied(transport, box, *steps(box))
    transport.cut = None
    journal, changing = Path(f"{box.work_dir}.journal"), Path(f"{box.work_dir}.changing")
    (journal / "20261123T053829676296-2954d2d1-00000.part").mkdir()
    assert [entry.suffix for entry in journal.iterdir()].count(".open") == 1
    assert changing.exists()
    left = tree(journal)
    playbook = Playbook(name="p", path="p.yaml", steps=steps(box))
    apply(transport, playbook, [box], lambda _: None, dry_run=True)
    assert tree(journal) == left
    assert set(states(applied(transport, box, *steps(box)))) <= {"changed", "right"}
    assert {entry.suffix for entry in journal.iterdir()} == {".done", ".kept"}
    assert not changing.exists()


def power_cut(box: Host) -> None:
    """What a journal is like after one: no mark of a page was on the disk, nor that it had come to its end."""
    for page in Path(f"{box.work_dir}.journal").glob("*.*"):
        if page.suffix in {".open", ".done"}:
            text = re.sub(r"(?m)^page \S+", "page 0b5e-other-boot", page.read_text())
            page.unlink()
            page.with_suffix(".open").write_text(re.sub(r"(?m)^(begun|made) \d+\n", "", text))


@pytest.mark.parametrize("settled", [False, True])
@pytest.mark.parametrize("piece", ["change_0", "change_3", "change_6"])
def test_after_a_power_cut_every_change_that_was_made_is_put_back(
    transport: Local, box: Host, tmp_path: Path, piece: str, *, settled: bool
) -> None:
    """No mark tells which; what was never begun is asked first, and left alone. The next run may have been there."""
    furnish(box)
    before = tree(tmp_path)
    seven = steps(box)
    transport.cut = piece
    applied(transport, box, *seven)
    transport.cut = None
    power_cut(box)
    if settled:
        applied(transport, box, seven[0])
        assert not list(Path(f"{box.work_dir}.journal").glob("*.open"))
    assert set(states(restored(transport, box))) == {"changed"}
    assert tree(tmp_path) == before
    assert restored(transport, box) == []


def test_an_undo_of_what_was_never_begun_is_not_run_after_a_power_cut(transport: Local, box: Host) -> None:
    work = "{{ host.work_dir }}"
    two = [
        ScriptStep(
            name=n, unless=f"test -e {work}/{n}", run=f": >{work}/{n}", undo=f"rm -f {work}/{n}; : >>{work}/ran-{n}"
        )
        for n in ("one", "two")
    ]
    transport.cut = "record_1"
    applied(transport, box, *two)
    transport.cut = None
    power_cut(box)
    assert set(states(restored(transport, box))) == {"changed"}
    assert [file.name for file in Path(box.work_dir).iterdir()] == ["ran-one"]


def test_a_change_that_was_recorded_by_itself_is_put_back_among_those_of_pages(
    transport: Local, box: Host, tmp_path: Path
) -> None:
    """A folder of the journal: a Bento trial's is, and all of fleet's were before there were pages."""
    note = Path(box.work_dir) / "note"
    note.write_text("zero")
    before = tree(tmp_path)
    applied(transport, box, FileStep(name="n", path=str(note), content="one"))
    entry = Entry(
        id=run_id(time.time(), "0a1b2c3d") + "-00000",
        host="box",
        playbook="alone",
        step="alone",
        summary="two",
        begun=time.time(),
        status=1,
        digest="",
    )
    path = shlex.quote(str(note))
    kept = Undo(script=f'cp -- "$kept/old" {path}', keep=f'cp -- {path} "$kept/old"')
    place = journal_of(box, root=False)
    recording = Recording(entry=entry, about=dump_line(entry), undo=kept, look=f"grep -q two {path}")
    text = record(recording, place) + f"echo two >{path}\n" + settle(entry, place)
    program = f"recorded_one() {{\n{text}}}\nrecorded_one\n"
    done = transport.run(box, Command(argv=("/bin/sh", "-s"), stdin=program.encode(), timeout=60))
    assert done.exit_status == 0, done.stderr
    applied(transport, box, FileStep(name="n", path=str(note), content="three"))
    assert [report.step for report in restored(transport, box)] == ["n", "alone", "n"]
    assert tree(tmp_path) == before


def test_what_is_under_way_is_not_settled_by_who_changes_nothing(box: Host) -> None:
    """An entry whose shell goes on stays open, and so does one of who holds the lock."""
    applied(Local(), box, *steps(box)[:1])
    (entry,) = Path(f"{box.work_dir}.journal").glob("*.done")
    under_way = entry.rename(entry.with_suffix(".open"))
    holder = subprocess.Popen(["flock", f"{box.work_dir}.changing", "sleep", "60"], start_new_session=True)
    try:
        while not Path(f"{box.work_dir}.changing").exists():
            time.sleep(0.01)
        assert states(applied(Local(), box, *steps(box)[:1])) == ["right"]
        assert under_way.exists()
    finally:
        os.killpg(holder.pid, signal.SIGKILL)
        holder.wait()
    tick = Path(f"/proc/{os.getpid()}/stat").read_text().rpartition(")")[2].split()[19]
    text = under_way.read_text()
    under_way.write_text(re.sub(r" \d+ \d+\n", f" {os.getpid()} {tick}\n", text, count=1))
    assert states(applied(Local(), box, *steps(box)[:1])) == ["right"]
    assert under_way.exists()
    under_way.write_text(re.sub(r" \d+ \d+\n", f" {os.getpid()} 1\n", text, count=1))
    assert states(applied(Local(), box, *steps(box)[:1])) == ["right"]
    assert entry.exists()


def test_what_was_put_back_before_the_connection_was_lost_is_told_and_the_next_restoration_goes_on(
    box: Host, tmp_path: Path
) -> None:
    furnish(box)
    before = tree(tmp_path)
    applied(Local(), box, *steps(box))

    class Lost(Local):
        """The connection is gone as soon as a shell has ended before its time."""

        def run(self, host: Host, command: Command) -> Completed:
            completed = super().run(host, command)
            if completed.exit_status:
                error = ConnectError("the connection was lost", host=host.name)
                error.heard = completed.stdout
                raise error
            return completed

    reports = restored(Lost(cut="undo_3"), box)
    assert [(report.step, report.state.value, report.lost) for report in reports] == [
        *((step.name, "changed", False) for step in reversed(steps(box)[4:])),
        ("restore", "failed", True),
    ]
    assert states(restored(Lost(), box)) == ["changed"] * 7
    assert tree(tmp_path) == before


def test_what_an_undo_had_to_leave_and_an_older_one_took_away_is_put_back(box: Host, tmp_path: Path) -> None:
    """The folder step was asked before the script made the folder, in which by its own undo the script's files lie."""
    run, undo = "mkdir {{ host.work_dir }}/d; : >{{ host.work_dir }}/d/a", "rm -rf {{ host.work_dir }}/d"
    script = ScriptStep(name="script", unless="test -e {{ host.work_dir }}/d/a", run=run, undo=undo)
    folder = DirectoryStep(name="folder", path=f"{box.work_dir}/d", mode="0700")
    before = tree(tmp_path)
    assert states(applied(Local(), box, script, folder)) == ["changed"] * 2
    told: list[StepReport] = []
    journal = Journal(inventory="i")
    reports = restore(
        Local(),
        [box],
        lambda event: told.append(event.report) if isinstance(event, StepDone) else None,
        journal,
        Wanted(dry_run=False),
    )
    assert [(report.step, report.state.value) for report in told] == [
        ("folder", "failed"),
        ("script", "changed"),
        ("folder", "changed"),
    ]
    assert [(report.step, report.state.value) for report in reports] == [("folder", "changed"), ("script", "changed")]
    assert tree(tmp_path) == before


def test_two_changes_of_one_file_go_back_to_the_first_content(transport: Local, box: Host) -> None:
    note = Path(box.work_dir) / "note"
    note.write_text("zero")
    for content in ("one", "two"):
        applied(transport, box, FileStep(name="n", path=str(note), content=content))
    assert note.read_text() == "two"
    assert states(restored(transport, box)) == ["changed", "changed"]
    assert note.read_text() == "zero"


def test_what_others_put_into_a_new_folder_stays_and_is_told(box: Host) -> None:
    applied(Local(), box, DirectoryStep(name="d", path=f"{box.work_dir}/d"))
    theirs = Path(box.work_dir) / "d" / "theirs"
    theirs.write_text("precious")
    (report,) = restored(Local(), box)
    assert report.state is StepState.FAILED
    assert "not empty" in report.detail.lower()
    assert theirs.read_text() == "precious"
    theirs.unlink()
    assert states(restored(Local(), box)) == ["changed"]
    assert not theirs.parent.exists()


def test_what_cannot_be_put_back_can_be_given_up_and_the_rest_is_put_back(box: Host, tmp_path: Path) -> None:
    """A broken undo would fail for ever; it is tried once more before it is given up, and the store is told."""
    mark = "{{ host.work_dir }}/mark"
    script = ScriptStep(name="s", unless=f"test -e {mark}", run=f": >{mark}", undo="false")
    folder = DirectoryStep(name="d", path=f"{box.work_dir}/d")
    with closing(open_ledger(str(tmp_path / "store.db"))) as ledger:
        journal = Journal(inventory="i", ledger=ledger)
        applied(Local(), box, folder, script, terms=Terms(inventory="i", ledger=ledger))
        assert states(restored(Local(), box, journal=journal)) == ["failed", "changed"]
        (given_up,) = restored(Local(), box, forget=True, journal=journal)
        assert given_up.state is StepState.SKIPPED
        assert given_up.summary.startswith("given up, it stays as it is: undo: run: ")
        assert restored(Local(), box, journal=journal) == []
        assert list(ledger.entries("i")) == []
    assert (Path(box.work_dir) / "mark").exists()


def test_a_damaged_entry_can_be_given_up(box: Host) -> None:
    applied(Local(), box, DirectoryStep(name="d", path=f"{box.work_dir}/d"))
    (page,) = Path(f"{box.work_dir}.journal").glob("*.done")
    page.write_text(page.read_text().replace('"step":', '"odd":'))
    assert states(restored(Local(), box)) == ["failed"]
    assert states(restored(Local(), box, forget=True)) == ["skipped"]
    assert restored(Local(), box) == []
    assert not page.exists()


def test_an_undo_that_undoes_nothing_is_not_believed(box: Host) -> None:
    applied(
        Local(),
        box,
        ScriptStep(
            name="s",
            unless="test -e {{ host.work_dir }}/mark",
            run=": >{{ host.work_dir }}/mark",
            undo="true",
        ),
    )
    (report,) = restored(Local(), box)
    assert report.state is StepState.FAILED
    assert report.summary.endswith("the second look does not find it as it was")


def test_a_script_without_an_undo_is_listed_once_and_never_again(box: Host) -> None:
    step = ScriptStep(name="s", unless="test -e {{ host.work_dir }}/m", run=": >{{ host.work_dir }}/m")
    applied(Local(), box, step)
    (foreseen,) = restored(Local(), box, dry_run=True)
    (report,) = restored(Local(), box)
    assert foreseen.state is report.state is StepState.SKIPPED
    assert report.summary.endswith("cannot be put back: the step has no `undo:`")
    assert restored(Local(), box) == []


def test_nothing_is_changed_where_the_journal_cannot_be_written(box: Host) -> None:
    Path(f"{box.work_dir}.journal").write_text("in the way")
    (report,) = applied(Local(), box, DirectoryStep(name="d", path=f"{box.work_dir}/d"))
    assert report.state is StepState.FAILED
    assert report.summary == "not changed: what would put it back cannot be kept in the host's journal"
    assert not (Path(box.work_dir) / "d").exists()


def test_a_change_whose_controller_is_gone_is_waited_for(box: Host) -> None:
    """The shell that makes it goes on to the end of its step; only then is it undone."""
    step = ScriptStep(
        name="slow",
        unless="test -e {{ host.work_dir }}/two",
        run=": >{{ host.work_dir }}/one; sleep 4; : >{{ host.work_dir }}/two",
        undo="rm -f {{ host.work_dir }}/one {{ host.work_dir }}/two",
    )

    class Lost(Local):
        """Starts the program and is gone: nobody reads what it says."""

        def run(self, host: Host, command: Command) -> Completed:
            if b"change_0" not in command.stdin:
                return super().run(host, command)
            read, write = os.pipe()
            started = subprocess.Popen(
                command.argv, stdin=subprocess.PIPE, stdout=write, stderr=write, start_new_session=True
            )
            assert started.stdin
            started.stdin.write(command.stdin)
            started.stdin.close()
            while not (Path(box.work_dir) / "one").exists():
                time.sleep(0.05)
            os.close(write)
            os.close(read)
            processes.append(started)
            return Completed(exit_status=0, stdout=b"", stderr=b"")

    processes: list[subprocess.Popen[bytes]] = []
    applied(Lost(), box, step)
    assert states(restored(Local(), box)) == ["changed"]
    assert list(Path(box.work_dir).iterdir()) == []
    assert processes[0].wait(10) == -signal.SIGPIPE


def test_the_store_has_a_copy_of_every_change_before_it_is_made(box: Host, tmp_path: Path) -> None:
    ledger = open_ledger(str(tmp_path / "store.db"))
    try:
        terms = Terms(inventory="i", ledger=ledger)
        applied(Local(cut="change_1"), box, *steps(box)[::2], terms=terms)
        kept = ledger.entries("i")
        assert [(one.entry.step, one.state) for one in kept] == [
            ("new file", EntryState.OPEN),
            ("new folder", EntryState.DONE),
        ]
        restored(Local(), box, journal=Journal(inventory="i", ledger=ledger))
        assert ledger.entries("i") == ()
    finally:
        ledger.close()


def test_a_change_that_cannot_be_recorded_leaves_nothing_in_the_journal(box: Host) -> None:
    step = ScriptStep(name="s", unless="false", run="true", undo="true")
    (journal := Path(f"{box.work_dir}.journal")).mkdir()
    broken = Local()
    broken.run = lambda host, command: Local.run(  # type: ignore[method-assign]
        broken, host, replace(command, stdin=command.stdin.replace(b".part", b"/no/such.part"))
    )
    assert states(applied(broken, box, step)) == ["failed"]
    assert list(journal.iterdir()) == []


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    ledger = open_ledger(str(tmp_path / "store.db"))
    yield Journal(inventory="i", ledger=ledger)
    ledger.close()


def recalled(transport: Local, box: Host, journal: Journal, *, stored: bool = True) -> list[StepReport]:
    return list(recall(transport, [box], lambda _: None, journal, Wanted(dry_run=False, stored=stored)))


def test_a_host_that_lost_its_journal_is_put_back_from_the_store_as_far_as_that_goes(
    transport: Local, box: Host, journal: Journal
) -> None:
    """When it is asked for, once; what stood in the place of a change was on the host alone, and that is said."""
    furnish(box)
    work = Path(box.work_dir)
    applied(transport, box, *steps(box), terms=Terms(inventory="i", ledger=journal.ledger))
    shutil.rmtree(f"{work}.journal")
    assert restored(transport, box, journal=journal) == []
    told = recalled(transport, box, journal, stored=False)
    assert states(told) == ["skipped"] * 7
    assert all("--from-store" in report.summary for report in told)
    assert (work / "mark").exists()
    assert {report.step: report.state.value for report in recalled(transport, box, journal)} == {
        "script": "changed",
        "a link": "skipped",
        "file's mode": "changed",
        "other content": "skipped",
        "new file": "changed",
        "folder's mode": "changed",
        "new folder": "skipped",
    }
    assert not (work / "mark").exists()
    assert (work / "old" / "note").read_text() == "changed\n"
    assert stat.S_IMODE((work / "old" / "mode").stat().st_mode) == 0o755
    assert recalled(transport, box, journal) == []


def test_what_the_store_alone_has_and_was_never_begun_or_is_put_back_is_closed(box: Host, journal: Journal) -> None:
    """What is still in the host's journal is none of it."""
    applied(Local(cut="record_2"), box, *steps(box)[::2], terms=Terms(inventory="i", ledger=journal.ledger))
    assert journal.ledger is not None
    assert recalled(Local(), box, journal) == []
    assert [one.entry.step for one in journal.ledger.entries("i")] == ["new file", "new folder"]
    restored(Local(), box)  # by another controller: this store is told nothing
    assert recalled(Local(), box, journal, stored=False) == []
    assert journal.ledger.entries("i") == ()


def test_what_benchmarks_left_goes_before_the_folder_that_fleet_made(box: Host, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    host = replace(box, work_dir=str(folder), python=sys.executable)
    made = DirectoryStep(name="work", path=str(folder)), DirectoryStep(name="spool", path=f"{folder}/spool")
    assert states(applied(Local(), host, *made)) == ["changed"] * 2
    (folder / "run" / "ray").mkdir(parents=True)
    (folder / "spool" / "a.spool").write_text("figures")
    dry = restore(LocalTransport(), [host], lambda _: None, Journal(inventory="i"), Wanted(dry_run=True, runs=True))
    assert "run, spool" in dry[0].summary
    assert (folder / "spool" / "a.spool").exists()
    done = restore(LocalTransport(), [host], lambda _: None, Journal(inventory="i"), Wanted(dry_run=False, runs=True))
    assert states(list(done)) == ["changed"] * 3
    assert not folder.exists()


PLANTED = "hunter2 'quoted' $HOME"


def test_a_secret_is_on_stdin_and_where_it_belongs_and_nowhere_else(
    box: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file that anything wrote, every report and every event is searched."""
    monkeypatch.setenv("THE_SECRET", PLANTED)
    box = replace(box, variables=(Variable(name="token", from_env="THE_SECRET"),))
    work = Path(box.work_dir)
    wanted = (
        FileStep(name="file", path=f"{work}/token", content="token={{ vars.token }}\n"),
        ScriptStep(
            name="script",
            unless="test -e {{ host.work_dir }}/ran",
            run="printf %s {{ vars.token }} >{{ host.work_dir }}/ran; tr '\\0' ' ' </proc/$$/cmdline",
            undo="rm -f {{ host.work_dir }}/ran",
        ),
        ScriptStep(name="telltale", unless="echo {{ vars.token }}; exit 1", run="echo {{ vars.token }} >&2; exit 3"),
        ScriptStep(name="undone by it", unless="false", run="true", undo="echo {{ vars.token }}"),
    )
    told: list[str] = []
    ledger = open_ledger(str(tmp_path / "store.db"))
    transport = Local()
    playbook = Playbook(name="p", path="p.yaml", steps=wanted)
    try:
        reports = apply(
            transport,
            playbook,
            [box],
            lambda event: told.append(repr(event)),
            dry_run=False,
            terms=Terms(inventory="i", ledger=ledger),
        )
    finally:
        ledger.close()
    assert states(list(reports)) == ["changed", "changed", "failed", "skipped"]
    assert reports[2].detail == "***"
    assert reports[0].diff == "(not shown: the step holds a secret)"
    assert (work / "token").read_text() == f"token={PLANTED}\n"
    assert (work / "ran").read_text() == PLANTED
    assert any(b"hunter2" in sent for sent in transport.sent)
    written = [file for file in tmp_path.rglob("*") if file.is_file() and b"hunter2" in file.read_bytes()]
    assert set(written) == {work / "ran", work / "token"}
    assert "hunter2" not in repr(reports) + "".join(told)
    assert states(restored(Local(), box)) == ["skipped", "changed", "changed"]
    assert list(work.iterdir()) == []


def test_roots_journal_is_not_where_a_user_could_write(box: Host) -> None:
    behind_sudo = replace(box, login=replace(box.login, sudo=True))
    assert journal_of(behind_sudo, root=True).startswith("/var/lib/fleet/journal-")
    assert journal_of(replace(box, lab=False), root=False).startswith(".local/state/fleet/journal-")


def test_a_long_journal_is_replayed_page_by_page_and_what_is_damaged_is_told_and_left(box: Host) -> None:
    """More entries than a listing shows, with names as long and odd as they may be."""
    wanted = [
        DirectoryStep(name=f"{number} {'ü😀' * 300}", path=f"{box.work_dir}/{'d/' * number}d") for number in range(60)
    ]
    assert states(applied(Local(), box, *wanted)) == ["changed"] * 60
    journal = Path(f"{box.work_dir}.journal")
    first, second = sorted(journal.glob("*.done"))
    for page, number in ((first, 20), (second, 59)):
        text = page.read_text()
        about = re.compile(rf"(?m)^entry {number:05d} '.*?' ")
        assert about.search(text)
        page.write_text(about.sub(f'entry {number:05d} \'{{"id": "no\' ', text))
    (journal / "not-ours.done").mkdir()
    (journal / "neither.done").write_text("what")
    (journal / "20261123T053829676296-2954d2d1-00000.part").mkdir()
    assert len(restored(Local(), box, dry_run=True)) == 60
    reports = restored(Local(), box)
    assert [at for at, report in enumerate(reports) if report.summary.endswith("cannot be read")] == [0, 39]
    assert states(restored(Local(), box)).count("failed") >= 2


@pytest.mark.parametrize(
    "lie",
    [
        b"20261123T053829676296-2954d2d1-00000.open {}\n",
        b"../../etc/passwd.open {}\n20261123T053829676296-2954d2d1-0000;reboot.done x\n",
        b"\x1b[2J" * 1000,
        b"20261123T053829676296-2954d2d1-00000.done \xff\xfe\n" * 3000,
        b"x" * 500_000,
    ],
    ids=["no entry", "odd ids", "escapes", "the same for ever", "long"],
)
def test_a_journal_that_lies_is_a_failure_of_its_host_and_nothing_else(box: Host, lie: bytes) -> None:
    """Whatever a host says its journal holds, the controller ends, and shows nothing that moves a cursor."""

    class Lying(Local):
        def run(self, host: Host, command: Command) -> Completed:
            assert host.name == "box"
            mark = re.search(rb"=fleet-[0-9a-f]+", command.stdin)
            assert mark
            labels = re.findall(rb"(?m)^(?:framed|held) ([a-z]+(?:_[0-9]+)?)", command.stdin)
            frames = [b"\n%s:%s:\n%s\n%s:%s:0\n" % (mark[0], label, lie, mark[0], label) for label in labels]
            return Completed(exit_status=0, stdout=b"".join(frames), stderr=b"")

    reports = restored(Lying(), box)
    assert set(states(reports)) <= {"failed"}
    assert "\x1b" not in repr(reports)
    assert not any("reboot" in repr(report) for report in reports)
