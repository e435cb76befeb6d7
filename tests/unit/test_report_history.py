"""Jobs of the past on the screen, as Markdown and as JSON: they fit, they validate, and they say what they are."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from functools import cache

import pytest
from jsonschema import Draft202012Validator

from fleet.analyse.history import history
from fleet.model.history import Archive, Generation, History, Knobs, PastJob, Plane
from fleet.model.record import JobRecord, TaskKind, TaskRecord, TaskState
from fleet.model.verdict import Choice
from fleet.plan.trials.proof import EXECUTE_ID, ProofPlanner
from fleet.report.screens.history import history_markdown, history_screen
from fleet.report.structured.history import history_json
from fleet.report.structured.run import shipped_schema
from fleet.twin.control import Polling, phase_count, phases_of
from fleet.twin.fast import draws_of, replay_fast
from fleet.twin.graph import Graph, Node
from fleet.twin.replay import Control, Service, Worker
from fleet.workload.bento.records.past import Read, emulated

SEGMENTS, CYCLES = 17, 17 << 20
TITLES = (
    "WHAT THE JOBS OF THE PAST SAY",
    "WHY",
    "JOBS",
    "WHAT A JOB IS MADE OF",
    "WHAT A CHANGE WOULD HAVE GIVEN",
)
"""Of all blocks that have figures."""
SECONDS = {TaskKind.PROVE: 3.1, TaskKind.JOIN: 1.15}
ARCHIVE = Archive(
    place="postgresql://worker@db:5432/taskdb",
    server="PostgreSQL 16.2",
    generation=Generation(stack="legacy (PostgreSQL)", plane=Plane.GATED, oldest_job_first=True),
    offset=420.0,
    uncertainty=0.01,
    read=1_782_986_400.0,
)


def played(seed: int, refresh: float = 5.0) -> PastJob:
    """A job of four agents that poll, as a database would have recorded it: played by the twin, its timers anywhere."""
    planner = ProofPlanner()
    made = [task for _ in range(SEGMENTS) for task in planner.add_segment()] + list(planner.finish())
    place = {task.id: at for at, task in enumerate(made)}
    nodes = tuple(
        Node(
            kind=task.kind,
            before=tuple(place[before] for before in task.prerequisites if before != EXECUTE_ID),
            released=0.05,
            fixed=0.5 if task.kind is TaskKind.FINALIZE else None,
        )
        for task in made
    )
    workers = [Worker(host="", device=f"{number}") for number in range(4)]
    polling = Polling(refresh=refresh, refreshers=2, helpers=2)
    shares = draws_of([seed], 0, phase_count(polling, 4)).shares[0].tolist()
    schedule = replay_fast(
        Graph(nodes=nodes, cycles=CYCLES),
        workers,
        lambda number, _: Service(device=SECONDS.get(nodes[number].kind, 0.5)),
        Control(claim=0.002, polling=polling, joins_first=False),
        phases_of(polling, shares),
    )
    execute = TaskRecord(
        id="init", kind=TaskKind.EXECUTE, state=TaskState.DONE, prerequisites=(), created=0.0, started=0.0, updated=0.05
    )
    tasks = tuple(
        TaskRecord(
            id=task.id,
            kind=task.kind,
            state=TaskState.DONE,
            prerequisites=tuple(before for before in task.prerequisites if before != EXECUTE_ID),
            created=0.05,
            started=started,
            updated=ended,
        )
        for task, started, ended in zip(made, schedule.started, schedule.ended, strict=True)
    )
    record = JobRecord(
        id=f"{seed:08}-0000-4000-8000-000000000000",
        state=TaskState.DONE,
        segments=SEGMENTS,
        user_cycles=1,
        total_cycles=CYCLES,
        tasks=(execute, *tasks),
    )
    started = ARCHIVE.read - 3600.0 * (seed + 1)
    return PastJob(
        id=record.id,
        state="done",
        error=None,
        started=started,
        ended=started + schedule.seconds,
        cycles=CYCLES,
        segments=SEGMENTS,
        hz=Decimal(CYCLES) / Decimal(schedule.seconds),
        tasks=(("execute", 1, 0.05), ("prove", SEGMENTS, 52.7), ("join", SEGMENTS - 1, 18.4), ("finalize", 1, 0.5)),
        record=record,
    )


@cache
def jobs(refresh: float = 5.0) -> tuple[PastJob, ...]:
    return tuple(played(seed, refresh) for seed in range(6))


@cache
def found(refresh: float = 5.0) -> History:
    hostile = replace(jobs()[0], id="\x1b[31m", state="failed", error="no \x1b]0;title\x07 | `memory`", unfinished=3)
    return history(ARCHIVE, (*jobs(refresh), hostile), Knobs(agents=4))


def test_the_cluster_is_said_with_how_it_hands_out_work() -> None:
    """Whose jobs wait for whose is said only where the stack sees to it."""
    told = found()
    assert "tasks of an older job go first" in " ".join(history_markdown(told).split())
    unordered = replace(ARCHIVE, generation=replace(ARCHIVE.generation, oldest_job_first=False))
    assert "older job" not in history_markdown(replace(told, archive=unordered))


def test_timers_that_cost_a_quarter_are_to_be_tuned() -> None:
    """Planted: a refresh of 5 s on four agents. The replay finds it, the answer is the gentler of the two settings."""
    told = found()
    assert told.verdict.choice is Choice.TUNE
    assert told.verdict.label == "STREAM_REFRESH_INTERVAL=1"
    assert told.verdict.bottleneck.code == "dispatch"
    gain = told.verdict.gain
    assert gain is not None
    slow, fast = (sum(played(seed, refresh).seconds or 0 for seed in range(200)) for refresh in (5.0, 1.0))
    truth = slow / fast - 1  # over so many phases that chance is out of it
    assert gain.low <= truth <= gain.high


def test_a_wrong_statement_of_the_timers_is_noticed() -> None:
    """Jobs of a cluster with a refresh of 1 s, said to be 5 s: the replay misses them, and nothing is recommended."""
    stated = Knobs(agents=4, poll_stated=True, refresh_stated=True)
    told = history(ARCHIVE, jobs(1.0), stated)
    assert told.missed is not None
    assert told.missed > 0.1
    assert told.verdict.choice is Choice.INCONCLUSIVE
    assert "replay_misses" in {reason.code for reason in told.verdict.reasons}
    assert any("--refresh" in need for need in told.verdict.needs)


def test_a_labs_past_is_told_in_the_seconds_of_its_devices_and_says_so() -> None:
    """A lab is ten times as quick: its timers are the stack's all the same, and no rate looks like a real one."""
    hasty = emulated(Read(archive=ARCHIVE, jobs=jobs()), 0.1)
    read = emulated(hasty, 10.0)
    assert [job.seconds for job in read.jobs] == pytest.approx([10 * (job.seconds or 0) for job in hasty.jobs])
    assert [job.hz for job in read.jobs] == pytest.approx([(job.hz or 0) / 10 for job in hasty.jobs])
    told = history(read.archive, read.jobs, Knobs(agents=4))
    assert told.verdict.label == "STREAM_REFRESH_INTERVAL=1"
    assert told.missed == pytest.approx(history(ARCHIVE, jobs(), Knobs(agents=4)).missed, abs=1e-6)
    for text in (history_markdown(told), "\n".join(line.text for line in history_screen(told))):
        assert "EMULATED" in text
        assert "10 emulated seconds to a real one" in " ".join(text.split())
    screen = [line.text for line in history_screen(told)]
    marked = [text.partition("  ")[0] for text in screen if "(emulated)" in text]
    assert marked == [f"{title} (emulated)" for title in TITLES]
    assert not any("(emulated)" in line.text for line in history_screen(found()))
    data = json.loads(history_json(told))
    Draft202012Validator(shipped_schema("history")).validate(data)
    assert (data["archive"]["emulated"], data["archive"]["time_scale"]) == (True, 10.0)
    assert "EMULATED" not in history_markdown(found())


def test_few_jobs_decide_nothing() -> None:
    """Two jobs are too few, whatever they say; none at all leave the bottleneck unknown."""
    two = history(ARCHIVE, jobs()[:2], Knobs(agents=4))
    assert two.verdict.choice is Choice.INCONCLUSIVE
    none = history(ARCHIVE, (), Knobs())
    assert none.verdict.bottleneck.code == "unknown"
    assert none.hz is None


def test_sizes_do_not_mix() -> None:
    """Jobs of another segment size are listed, and are no part of the figure."""
    other = replace(jobs()[0], id="other", cycles=CYCLES // 2)
    told = history(ARCHIVE, (*jobs(), other), Knobs(agents=4))
    assert other.po2 == (jobs()[0].po2 or 0) - 1
    assert told.hz is not None
    assert told.hz.n == len(jobs())
    assert any("of another segment size" in note for note in told.notes)


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("prove", "16 proves of 17 segments"),
        ("join", "1 task that others waited for"),
        ("finalize", "its last task"),
    ],
)
def test_a_job_that_a_cleaner_has_begun_with_counts_for_nothing(gone: str, said: str) -> None:
    """Without its last rows it would seem to have taken less time."""
    whole = jobs()[0]
    assert whole.record is not None
    lost = next(task for task in whole.record.tasks if task.kind == gone)
    left = replace(
        whole,
        record=replace(whole.record, tasks=tuple(task for task in whole.record.tasks if task is not lost)),
        tasks=tuple((kind, count - (kind == gone), took) for kind, count, took in whole.tasks if kind != "finalize")
        if gone == "finalize"
        else tuple((kind, count - (kind == gone), took) for kind, count, took in whole.tasks),
    )
    told = history(ARCHIVE, (left, *jobs()[1:]), Knobs(agents=4))
    refused = told.refusal(left.id)
    assert refused is not None
    assert (refused.code, said in refused.seen) == ("incomplete", True)
    assert told.hz is not None
    assert told.hz.n == len(jobs()) - 1


def test_agents_are_counted_in_jobs_that_count() -> None:
    """A job whose times are none, or that ran beside another, says nothing of how many there are."""
    seen = [replace(job, agents=4 - (at > 0)) for at, job in enumerate(jobs())]
    wild = replace(jobs()[0], id="wild", agents=60, retried=1)
    assert history(ARCHIVE, (*seen, wild), Knobs()).workers == 4
    assert history(ARCHIVE, (wild,), Knobs()).workers == 1


def test_timers_are_as_the_cluster_is_set_where_records_do_not_tell() -> None:
    """Its files stand before the shipped defaults; nobody is asked to state what they say."""
    known = Knobs(agents=4, poll=0.25, refresh=2.0, poll_set=0.25, refresh_set=2.0)
    told = history(ARCHIVE, jobs()[:2], known)
    assert told.timers is not None
    assert told.timers.refresh is None
    assert (told.knobs.poll, told.knobs.refresh) == (0.25, 2.0)
    assert any(note.startswith("POLL_TIME 0.25 s is how the cluster is set by now") for note in told.notes)
    assert not any("--poll" in need for need in told.verdict.needs)


def test_a_job_too_large_for_its_tasks_counts_by_its_totals() -> None:
    """Its Hz is in the figure; what jobs are made of comes from the others, and a note says so."""
    large = replace(jobs()[0], id="large", record=None)
    told = history(ARCHIVE, (*jobs(), large), Knobs(agents=4))
    assert told.refusals == ()
    assert told.hz is not None
    assert told.hz.n == len(jobs()) + 1
    seconds = [job.seconds or 0 for job in (*jobs(), large)]
    assert told.hz.value == pytest.approx(CYCLES * len(seconds) / sum(seconds))
    assert told.decomposition is not None
    assert sum(one.count for one in told.decomposition.services) == len(jobs()) * (2 * SEGMENTS - 1)
    assert any("by totals only" in note for note in told.notes)


def test_other_agents_that_join_are_not_replayed() -> None:
    """The twin's agents prove and join; where the stack keeps them apart, it says so instead."""
    apart = [replace(job, queues=(("Join", "join"), ("Prove", "prove"))) for job in jobs()]
    told = history(ARCHIVE, apart, Knobs(agents=4))
    assert told.replayed == ()
    assert any("other agents join" in note for note in told.notes)


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_line_is_wider_than_the_screen(width: int) -> None:
    """At any width that can be read, and without Unicode; nothing that a database says steers the terminal."""
    for told in (found(), history(ARCHIVE, (), Knobs())):
        lines = history_screen(told, width=width)
        assert max(line.width for line in lines) <= width
        assert "\x1b" not in "".join(line.text for line in lines)
        assert "".join(line.text for line in history_screen(told, width=width, ascii_only=True)).isascii()


def test_every_job_has_its_digits_or_its_reason() -> None:
    """The screen shows Hz to four decimals, a refused job none but its reason."""
    text = "\n".join(line.text for line in history_screen(found()))
    for job in jobs():
        assert f"{job.hz:,.4f}" in text
    assert "6 of 7 count" in text
    assert "it is failed" in text


def test_markdown_keeps_a_databases_words_as_text() -> None:
    """No markup, and every row of a table as wide as its titles."""
    text = history_markdown(found())
    assert "\\`memory\\`" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in tables} == {8, 5}


def test_json_is_valid_under_the_shipped_schema() -> None:
    """With and without jobs; a figure taken away is noticed."""
    validator = Draft202012Validator(shipped_schema("history"))
    for told in (found(), history(ARCHIVE, (), Knobs())):
        validator.validate(json.loads(history_json(told)))
    broken = json.loads(history_json(found()))
    del broken["jobs"][0]["effective_hz"]
    assert not validator.is_valid(broken)


def test_where_jobs_are_soon_gone_it_is_said_how_they_are_kept() -> None:
    """Of the current stack nobody finds a past, unless its cleaner is told to leave jobs alone."""
    pushed = replace(ARCHIVE, generation=Generation(stack="current (Redis)", plane=Plane.PUSH, oldest_job_first=False))
    for there, said in (((), True), (jobs(), False)):
        notes = history(pushed, there, Knobs(agents=4)).notes
        assert any("BENTO_DISABLE_COMPLETED_CLEANUP=true" in note for note in notes) is said


def test_the_way_to_a_task_is_paid_for_each_where_work_is_announced() -> None:
    """One agent that gets every task 0.4 s after the last: played again, the jobs take what they took."""
    job = jobs()[0]
    assert job.record is not None
    now, tasks = 0.05, []
    for task in job.record.tasks:
        agents = task.kind in (TaskKind.PROVE, TaskKind.JOIN)
        started = now + 0.4 if agents else task.started
        now = started + SECONDS[task.kind] if agents and started is not None else now
        tasks.append(replace(task, started=started, updated=now) if agents else task)
    tasks[-1] = replace(tasks[-1], started=now, updated=now + 0.5)
    slow = [
        replace(one, started=at * 1e4, ended=at * 1e4 + now + 0.5, record=replace(job.record, tasks=tuple(tasks)))
        for at, one in enumerate(jobs()[:3])
    ]
    pushed = replace(ARCHIVE, generation=Generation(stack="current (Redis)", plane=Plane.PUSH, oldest_job_first=False))
    assert history(pushed, slow, Knobs(agents=1)).missed == pytest.approx(0.0, abs=0.01)


def test_agents_that_are_busy_are_what_binds() -> None:
    """That they had no task for less than a quarter of it does not make it the task graph, nor does it in a bench."""
    always_right = replace(ARCHIVE, generation=replace(ARCHIVE.generation, plane=Plane.TRIGGERS))
    told = history(always_right, jobs(0.0), Knobs(agents=4))
    assert told.decomposition is not None
    assert told.decomposition.share.busy >= 0.7
    assert told.verdict.bottleneck.code == "device"
