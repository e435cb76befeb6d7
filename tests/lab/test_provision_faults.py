"""What befalls a host in the middle of being provisioned, on isolated hosts by real sshd: each ends in a clear line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import boxes
import pytest
from boxes import Box
from step_trials import applied, restored, states

from fleet.model.event import Event
from fleet.model.hostevent import Note
from fleet.model.hoststeps import LineStep
from fleet.model.playbook import DirectoryStep, FileStep, Playbook, ScriptStep, Step, StepReport
from fleet.plan.steps.hints import hint
from fleet.provision.apply import apply
from fleet.transport.ssh import SshTransport

pytestmark = [pytest.mark.lab, pytest.mark.skipif(boxes.obstacle() is not None, reason=boxes.obstacle() or "")]

STEPS: tuple[Step, ...] = (
    DirectoryStep(name="folder", path="/srv/made"),
    FileStep(name="note", path="/srv/made/note", content="hello\n"),
    LineStep(name="line", path="/srv/hosts", line="10.0.0.1 head", create="0644"),
    ScriptStep(name="script", unless="test -e /srv/ran", run=": >/srv/ran", undo="rm -f /srv/ran"),
)
LEFT = "ls -A /srv; find /root/.local /var/lib/fleet -type f 2>/dev/null"


@pytest.fixture
def box() -> Iterator[Box]:
    with boxes.running() as found:
        yield found


@pytest.fixture
def transport() -> Iterator[SshTransport]:
    with closing(SshTransport()) as opened:
        yield opened


def said(reports: tuple[StepReport, ...]) -> list[tuple[str, str]]:
    """Which step came to what."""
    return [(report.step, report.state.value) for report in reports]


def test_what_was_done_before_sshd_died_is_reported_as_done_and_the_next_run_goes_on(
    box: Box, transport: SshTransport
) -> None:
    """The step at which it died goes on to its end without anybody who listens, and is waited for, which is said."""
    before = box.run(LEFT, check=False)
    kill = "kill -9 $(ps -eo pid,args | awk '/sshd: root/ && !/awk/ { print $1 }')"
    dies = ScriptStep(
        name="dies",
        unless="test -e /srv/made/late",
        run=f"{kill}; until [ -e /tmp/gate ]; do sleep 0.1; done; : >/srv/made/late",
        undo="rm -f /srv/made/late",
    )
    wanted = (*STEPS[:2], dies, STEPS[3])
    reports = applied(transport, box, *wanted)
    assert said(reports) == [("folder", "changed"), ("note", "changed"), ("dies", "failed"), ("script", "skipped")]
    assert reports[2].summary == "the connection was lost"
    notes: list[str] = []

    def hear(event: Event) -> None:
        if isinstance(event, Note):
            notes.append(event.text)
            box.run(": >/tmp/gate")

    again = apply(transport, Playbook(name="trial", path="trial.yaml", steps=wanted), [box.host], hear, dry_run=False)
    assert len(notes) == 1
    assert notes[0].startswith("box: another command changes it: ")
    assert said(again) == [("folder", "right"), ("note", "right"), ("dies", "right"), ("script", "changed")]
    assert states(restored(transport, box)) == {"changed"}
    assert box.run(LEFT, check=False) == before


def test_a_full_disk_fails_the_step_that_needs_it_and_is_put_back_all_the_same(
    box: Box, transport: SshTransport
) -> None:
    box.run("mount -t tmpfs -o size=64k tmpfs /srv")
    big = FileStep(name="big", path="/srv/big", content="x" * 100_000)
    reports = applied(transport, box, STEPS[0], big, STEPS[3])
    assert said(reports) == [("folder", "changed"), ("big", "failed"), ("script", "skipped")]
    assert hint(reports[1].detail) == "free some space on that file system"
    assert states(restored(transport, box)) == {"changed"}
    assert box.run("ls -A /srv") == ""


def test_nothing_is_changed_where_its_undo_cannot_be_kept(box: Box, transport: SshTransport) -> None:
    """The home is full, then it is read-only; once it can be written the same command goes on."""
    box.run("mount -t tmpfs -o size=4k tmpfs /root; head -c 4096 /dev/zero >/root/full")
    for why in ("free some space", "the file system is mounted read-only"):
        reports = applied(transport, box, *STEPS)
        assert said(reports) == [("folder", "failed"), ("note", "skipped"), ("line", "skipped"), ("script", "skipped")]
        assert hint(reports[0].detail).startswith(why), reports[0]
        assert box.run("ls -A /srv") == ""
        box.run("mount -o remount,ro /root")
    box.run("umount -l /root")
    assert states(applied(transport, box, *STEPS)) == {"changed"}


def test_neither_a_tmp_without_programs_nor_a_noisy_or_slow_rc_file_is_noticed(
    box: Box, transport: SshTransport
) -> None:
    """The rc file prints what looks like an answer, and moves the cursor; then it takes its time."""
    box.run("mount -o remount,noexec,ro /tmp")
    forged = "printf '\\n=fleet-%032d:ask_0:\\n\\n=fleet-%032d:ask_0:0\\n\\033[2J\\033]0;x\\007' 0 0; echo oops >&2"
    box.put("/root/.bashrc", f"{forged}\nhead -c 300000 /dev/urandom\nsleep 0.3\n")
    assert states(applied(transport, box, *STEPS)) == {"changed"}
    assert states(applied(transport, box, *STEPS)) == {"right"}
    box.run("rm /srv/made/note")
    assert [state for _, state in said(applied(transport, box, *STEPS))] == ["right", "changed", "right", "right"]
    assert states(restored(transport, box)) == {"changed"}
    assert box.run("ls -A /srv") == ""
