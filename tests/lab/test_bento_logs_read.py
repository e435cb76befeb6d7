"""What is read of containers' logs, by real shells; a stand-in answers for docker."""

from __future__ import annotations

import subprocess
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from local_transport import LocalTransport
from planted_fleets import guide_box

from fleet.cli.bento.road import killed_jobs
from fleet.model.bento import BentoSettings
from fleet.model.playbook import StepState
from fleet.model.record import Outcome
from fleet.provision.restore import Wanted
from fleet.workload.bento.attendance import absent
from fleet.workload.bento.lateness import lateness
from fleet.workload.bento.logs import Trouble
from fleet.workload.bento.unfinished import forget, left, recording
from fleet.workload.bento.wards import Wards

pytestmark = pytest.mark.lab

AGENT, DATABASE = "a" * 64, "d" * 64
HOST = replace(guide_box().head, lab=False)
FULL = "could not extend file: No space left on device"


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of logs by container, and a docker that shows them; each container is up."""
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(
        f"""\
#!/bin/sh
for id; do :; done
case $1 in
inspect) shift 3; for id; do echo "=$id 0 running false 0 2026-07-01T10:00:00Z"; done ;;
logs) cat "{tmp_path}/$id" 2>/dev/null ;;
ps) cat "{tmp_path}/${{id##*=}}" 2>/dev/null ;;
esac
"""
    )
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{docker.parent}:/usr/bin:/bin")
    return tmp_path


def test_what_agents_tell_of_their_lateness_is_added_up(logs: Path) -> None:
    """Of all their work on all hosts, not of the latest; other lines count for nothing."""
    (logs / "bento-fleet").write_text(AGENT)
    (logs / "fleet-bento-worker").write_text(DATABASE)
    (logs / AGENT).write_text("x INFO emulated: late 0.100000 of 1.000000 s\nINFO late 9 of 9 s\n")
    (logs / DATABASE).write_text("x INFO emulated: late 0.000000 of 3.000000 s\n")
    both = [(HOST, "bento-fleet"), (HOST, "fleet-bento-worker")]
    assert lateness(LocalTransport(), both, 60.0) == pytest.approx(0.025)
    assert lateness(LocalTransport(), [(HOST, "other")], 60.0) is None


def test_agents_that_took_no_task_of_a_job_are_told_by_their_logs(logs: Path) -> None:
    """A job of before is not this one. A good trial is not lost to a log that tells nothing."""
    job, other = UUID(int=1, version=4), UUID(int=2, version=4)
    far = replace(HOST, name="far")
    agents = [(HOST, (AGENT,)), (far, ("project=fleet-bento-worker",))]
    (logs / "fleet-bento-worker").write_text(DATABASE)
    (logs / AGENT).write_text("".join(f"INFO Starting proof of idx: {job} - {index}\n" for index in range(4)))

    def told(of_far: str, jobs: tuple[UUID, ...] = (job,), segments: int = 4) -> tuple[str, ...]:
        (logs / DATABASE).write_text(of_far)
        return absent(LocalTransport(), agents, jobs, segments, 60.0)

    elsewhere = f"INFO Starting proof of idx: {other} - 4\n"
    assert told(elsewhere) == ("far",)
    assert told("INFO Successful agent startup\n") == ("far",)
    assert told(elsewhere, (job, other)) == ()
    assert told(elsewhere, segments=5) == ()  # somebody's log has not named a segment that it took
    assert told("WARN slow\n") == told("") == ()
    (logs / "fleet-bento-worker").write_text("")
    assert told("") == ("far",)  # there is no agent
    (logs / "bin" / "docker").write_text("#!/bin/sh\necho 'INFO is the docker daemon running?' >&2\nexit 1\n")
    assert told(elsewhere) == ()


def test_a_database_says_itself_that_it_is_full(logs: Path) -> None:
    """Of what stands beside the agents only a want of room counts: others may panic as they like."""
    (logs / DATABASE).write_text("somebody panicked at x.rs:1\n")
    with closing(Wards(LocalTransport(), HOST, [AGENT], [DATABASE])) as wards:
        wards.look()
        seen = [wards.trouble]
        (logs / DATABASE).write_text(f"ERROR: {FULL}\n")
        wards.look()
        seen.append(wards.trouble)
    said = f"no room is left for the stack's work: ERROR: {FULL}"
    assert seen == [None, Trouble(outcome=Outcome.FAILED, cause=said)]


def test_a_job_is_written_down_though_nobody_listens_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the name of a job is, under its run; a run that may be alive is asked for by who means every one."""
    monkeypatch.setenv("HOME", str(tmp_path))
    run, job = "20261123T152838123456-0a1b2c3d", UUID(int=7, version=4)
    client = f"while [ ! -e gone ]; do sleep 0.1; done; echo hush; echo STARK job_id: {job}; echo hush"
    words = (*recording(HOST, run), "/bin/sh", "-c", client)
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        (tmp_path / "gone").touch()
    state, transport = tmp_path / ".local/state/fleet", LocalTransport()
    record, beats = state / "bento-jobs" / run, state / f"watch-{run}" / "beats"
    assert record.read_text() == f"STARK job_id: {job}\n"
    beats.mkdir(parents=True)
    assert left(transport, HOST, every=False) == {}
    assert left(transport, HOST, every=True) == {run: (job,)}
    beats.rmdir()
    assert left(transport, HOST, every=False) == {run: (job,)}
    forget(transport, HOST, [run])
    assert not record.parent.exists()


def test_jobs_whose_database_is_away_stay_written_down_until_they_are_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of very many the last are told: an open one is among them; what is no job's name is nobody's job."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    run, jobs = "20261123T152838123456-0a1b2c3d", [UUID(int=number, version=4) for number in range(2000)]
    record = tmp_path / ".local/state/fleet/bento-jobs" / run
    record.parent.mkdir(parents=True)
    record.write_bytes(
        b"\0\xffSTARK job_id: 1 OR 1=1\n" + b"".join(b"STARK job_id: %b\n" % str(job).encode() for job in jobs)
    )
    transport = LocalTransport()
    assert left(transport, HOST, every=True)[run][-1] == jobs[-1]
    settings = BentoSettings(compose=str(tmp_path / "away.yml"))
    for dry_run, forget_it, state, stays in (
        (False, False, StepState.FAILED, True),
        (True, True, StepState.FAILED, True),
        (False, True, StepState.SKIPPED, False),
    ):
        (report,) = killed_jobs(transport, HOST, settings, Wanted(dry_run=dry_run, forget=forget_it))
        assert (report.state, record.exists()) == (state, stays), report
    assert killed_jobs(transport, HOST, settings, Wanted(dry_run=False)) == ()
