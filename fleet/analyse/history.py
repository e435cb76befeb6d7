"""The jobs of the past, judged: what they add up to, what binds, and what to do as far as they can tell.

No job of the past says what hardware would give that was not there. So the answer is a setting of the stack, or what
would settle it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from fleet.analyse.causes.anatomy import decomposition
from fleet.analyse.causes.bottleneck import DEVICE_BUSY
from fleet.analyse.evidence.arms import estimate, spread_of
from fleet.analyse.evidence.pastjobs import arm_of, refusal
from fleet.analyse.foretell.polling import AT_ONCE, WORTH, Replays, replays
from fleet.analyse.foretell.timers import timers
from fleet.model.anatomy import Decomposition
from fleet.model.estimate import Estimate
from fleet.model.history import Archive, History, Knobs, PastJob, Plane, Replayed, Timers
from fleet.model.record import TaskKind
from fleet.model.verdict import Bottleneck, Choice, Reason, Verdict
from fleet.units import format_count, format_percent, format_seconds, format_share

SURE = 0.95
"""No change is recommended with a lower probability that it gives what is worth it (decision.md, step 7)."""
TRUSTED = 0.10
"""A replay that misses what was seen by more, and by more than chance explains, says nothing of what was not seen."""
FEWEST = 3
"""So many jobs must count before a setting is recommended by them."""

_TIMERS = ("POLL_TIME (--poll)", "STREAM_REFRESH_INTERVAL (--refresh)")
_BINDS = 0.9
_NOTABLE = 0.10
_LIKELY = 0.5
_AHEAD = 60.0


def history(archive: Archive, jobs: Sequence[PastJob], knobs: Knobs) -> History:
    """What these jobs, newest first, say."""
    refusals = {job.id: found for job in jobs if (found := refusal(job)) is not None}
    alike = _of_one_size([job for job in jobs if job.id not in refusals])
    # Only jobs that count: what is refused was often at work beside others, or has times that are none.
    workers = knobs.agents or max([1, *(job.agents for job in alike)])
    arm, looked = arm_of(alike, workers), arm_of([job for job in alike if job.record is not None], workers)
    spread = spread_of([arm] if arm else [])
    parts = decomposition(looked, spread) if looked else None
    records, plane, apart = [job.record for job in alike if job.record], archive.generation.plane, _joins_apart(alike)
    told = None if apart else timers(records, plane, workers, knobs.poll if knobs.poll_stated else None)
    knobs = _as_told(knobs, told)
    tried = replays(records, plane, knobs, workers, joins_apart=apart)
    return History(
        archive=archive,
        knobs=knobs,
        jobs=tuple(jobs),
        refusals=tuple(refusals.items()),
        workers=workers,
        verdict=_verdict(alike, parts, tried, _assumed(plane, knobs)),
        po2=alike[0].po2 if alike else None,
        hz=estimate(arm, spread) if arm else None,
        decomposition=parts,
        missed=tried.missed if tried else None,
        luck=tried.luck if tried else None,
        timers=told,
        replayed=tried.changes if tried else (),
        notes=tuple(_notes(archive, jobs, len(refusals), alike, knobs, told)),
    )


def _as_told(knobs: Knobs, told: Timers | None) -> Knobs:
    """The timers as the operator states them, else as the records tell, else as they are set by now, or shipped."""
    if told is not None and told.poll is not None and not knobs.poll_stated:
        knobs = replace(knobs, poll=_plain(told.poll))
    if told is not None and told.refresh is not None and not knobs.refresh_stated:
        knobs = replace(knobs, refresh=_plain(told.refresh))
    return knobs


def _plain(timer: Estimate) -> float:
    """The roundest number of seconds in the interval: somebody has set it."""
    tried = (round(timer.value, digits) for digits in range(4))
    return next((seconds for seconds in tried if timer.low <= seconds <= timer.high), timer.value)


def _of_one_size(jobs: Sequence[PastJob]) -> list[PastJob]:
    """Those of the segment size that most of them have: Hz of different sizes are not put together."""
    sizes = Counter(job.po2 for job in jobs)
    return [job for job in jobs if job.po2 == sizes.most_common(1)[0][0]]


def _joins_apart(jobs: Sequence[PastJob]) -> bool:
    """Whether other agents join than prove: the twin's agents do both."""
    return any(
        len({kind for name, kind in job.queues if name.lower() in {TaskKind.PROVE, TaskKind.JOIN}}) > 1 for job in jobs
    )


def _assumed(plane: Plane, knobs: Knobs) -> str:
    """What may be otherwise than it was taken to be, and can be stated."""
    timers = () if plane is Plane.PUSH or knobs.poll_set is not None else _TIMERS
    return ", ".join((*timers, *(() if knobs.agents else ("number of agents (--agents)",))))


def _verdict(jobs: Sequence[PastJob], parts: Decomposition | None, tried: Replays | None, assumed: str) -> Verdict:
    bottleneck = _bottleneck(parts, tried)
    best = _settings_worth_it(tried)
    if best is None or tried is None or best.better < SURE or not _trusted(tried) or len(jobs) < FEWEST:
        return Verdict(
            choice=Choice.INCONCLUSIVE,
            label="measure on the cluster itself",
            confidence=best.better if best else 0.0,
            gain=None,
            cost=None,
            bottleneck=bottleneck,
            reasons=tuple(_doubts(jobs, tried, best)),
            needs=tuple(_needs(jobs, tried, best, assumed)),
        )
    return Verdict(
        choice=Choice.TUNE,
        label=", ".join(best.settings),
        confidence=best.better,
        gain=best.gain,
        cost=None,
        bottleneck=bottleneck,
        reasons=(
            Reason(
                code="replayed",
                text=f"{tried.jobs} jobs of the past, replayed with {best.change}, take less time",
                evidence=(f"the replay of the settings as they are misses what they took by {_miss(tried)}",),
            ),
        ),
        needs=(
            "set it, let a few jobs pass, and run `fleet bento analyse` again: it then shows the gain as measured",
            "a GPU or a remote worker that is not there yet: `fleet bench INVENTORY` measures what it would give",
        ),
    )


def _settings_worth_it(tried: Replays | None) -> Replayed | None:
    """The first change that is surely worth it, else the likeliest one; None where there is none to make.

    The first: agents that never sleep ask the database without end, so the gentler change comes before.
    """
    changes = [one for one in (tried.changes if tried else ()) if one.settings]
    sure = [one for one in changes if one.better >= SURE]
    return sure[0] if sure else max(changes, key=lambda one: one.better, default=None)


def _bottleneck(parts: Decomposition | None, tried: Replays | None) -> Bottleneck:
    """What binds. A share of idle time is not what ending it gives, so dispatch is judged by replay where it can be."""
    if parts is None:
        return Bottleneck(code="unknown", text="what binds is not known")
    share = parts.share
    evidence = (
        (
            f"agents were busy {format_share(share.busy)} of the time, waited for dispatch "
            f"{format_share(share.dispatch)}, had nothing ready {format_share(share.graph)}"
        ),
    )
    if parts.executor_seconds >= _BINDS * parts.seconds:
        return Bottleneck(code="executor", text="the executor: segments are cut no faster", evidence=evidence)
    lost = _lost_in_dispatch(tried)
    if lost >= _NOTABLE:
        more = f"if no agent ever waited to be told of work, these jobs would give at least {format_percent(lost)}"
        return Bottleneck(code="dispatch", text="agents wait to be told of work", evidence=(*evidence, more))
    if share.busy >= DEVICE_BUSY:
        return Bottleneck(
            code="device", text="the agents' own pace: they are at work most of the time", evidence=evidence
        )
    if share.dispatch > share.graph:
        return Bottleneck(code="dispatch", text="agents wait although tasks are ready", evidence=evidence)
    return Bottleneck(code="task_graph", text="nothing is ready: the job's own task graph", evidence=evidence)


def _lost_in_dispatch(tried: Replays | None) -> float:
    """The gain, at least surely, if work reached agents at once; 0 where no replay that can be believed says so."""
    if tried is None or not _trusted(tried):
        return 0.0
    return next((one.gain.low for one in tried.changes if one.change == AT_ONCE), 0.0)


def _doubts(jobs: Sequence[PastJob], tried: Replays | None, best: Replayed | None) -> Iterator[Reason]:
    if not jobs:
        yield Reason(code="no_jobs", text="no job counts")
        return
    if len(jobs) < FEWEST:
        yield Reason(code="few_jobs", text=f"too few jobs count to go by: {len(jobs)} of at least {FEWEST}")
    if tried is None:
        yield Reason(code="not_replayed", text="nothing could be replayed; the notes say why")
    elif not _trusted(tried):
        yield Reason(
            code="replay_misses",
            text=f"the replay of the settings as they are misses what the jobs took by {_miss(tried)}",
            evidence=("timers or agents are not what was assumed, or something else delays the jobs",),
        )
    elif best is not None and best.better < SURE:
        yield Reason(code="not_worth_it", text=f"no setting of the timers surely gives {format_share(WORTH)} more")
    yield Reason(code="hardware_unseen", text="jobs of the past do not say what hardware would give that was not there")


def _needs(jobs: Sequence[PastJob], tried: Replays | None, best: Replayed | None, assumed: str) -> Iterator[str]:
    if len(jobs) < FEWEST:
        yield "a few jobs that have the cluster for themselves (`bento_cli -c 4096`, broker stopped), then this again"
    if tried is not None and not _trusted(tried) and assumed:
        yield f"state the cluster's own {assumed}"
    if best is not None and best.better >= _LIKELY:
        yield f"try {', '.join(best.settings)} on the cluster, and run this again"
    yield "`fleet bench INVENTORY`: it measures segment size, agents, a GPU more and a remote worker"


def _trusted(tried: Replays) -> bool:
    return abs(tried.missed) <= math.hypot(TRUSTED, 2 * tried.luck)


def _miss(tried: Replays) -> str:
    return f"{format_percent(tried.missed)} (where the timers stood makes ±{format_share(tried.luck)})"


def _timer_notes(plane: Plane, knobs: Knobs, told: Timers) -> Iterator[str]:
    """Where each timer's seconds come from, and where what is stated or set is not what the records look like."""
    rows = [("POLL_TIME", "--poll", knobs.poll, knobs.poll_stated, knobs.poll_set, told.poll)]
    if plane is Plane.GATED:
        refresh = (knobs.refresh, knobs.refresh_stated, knobs.refresh_set, told.refresh)
        rows.append(("STREAM_REFRESH_INTERVAL", "--refresh", *refresh))
    for name, option, seconds, stated, set_, seen in rows:
        span = f"{seen.low:.2f} to {seen.high:.2f} s" if seen else ""
        if seen and not stated:
            yield f"{name} {seconds:g} s is read off the waits of {told.jobs} jobs: {span} ({option} states it)"
            if set_ is not None and not seen.low <= set_ <= seen.high:
                yield f"{name} is set to {set_:g} s by now: these jobs ran with another"
        elif seen and not seen.low <= seconds <= seen.high:
            yield f"{name} is stated as {seconds:g} s, but the waits of {told.jobs} jobs look like {span}"
        elif not stated:
            known = "the stack's default" if set_ is None else "how the cluster is set by now"
            yield f"{name} {seconds:g} s is {known}, the jobs' waits do not tell it ({option} states it)"


def _notes(
    archive: Archive,
    jobs: Sequence[PastJob],
    refused: int,
    alike: Sequence[PastJob],
    knobs: Knobs,
    told: Timers | None,
) -> Iterator[str]:
    plane = archive.generation.plane
    if alike and knobs.agents is None:
        yield "no agents are named there: as many are taken as worked at once (--agents N states how many)"
    if alike and told is not None:
        yield from _timer_notes(plane, knobs, told)
    if plane is Plane.UNKNOWN and alike:
        yield "nothing was replayed: the function that hands out work is not in this database"
    if plane is Plane.PUSH and len(alike) < FEWEST:
        yield "the stack's cleaner takes jobs minutes after their end: BENTO_DISABLE_COMPLETED_CLEANUP=true keeps them"
    if _joins_apart(alike):
        yield "nothing was replayed: other agents join than prove, and the replay's agents do both"
    other = len(jobs) - refused - len(alike)
    if other:
        yield f"of another segment size than most, and not counted: {format_count(other, 'job')}; their Hz do not mix"
    large = sum(job.record is None for job in alike)
    if large:
        yield f"too large to be looked at task by task, and counted by totals only: {format_count(large, 'job')}"
    slow = sum(job.timeouts for job in jobs)
    if slow:
        yield (
            f"at their time limit, and handed out again: {format_count(slow, 'task')}; raise PROVE_TIMEOUT (in seconds)"
        )
    yield from _of_the_archive(archive)


def _of_the_archive(archive: Archive) -> Iterator[str]:
    if archive.leftover:
        yield f"ready or running right now: {format_count(archive.leftover, 'task')}; a job run now would not be alone"
    if archive.vanished:
        yield f"taken away by the stack's cleaner while they were read: {format_count(archive.vanished, 'job')}"
    if archive.future > _AHEAD:
        ahead = format_seconds(archive.future)
        yield f"its newest record lies {ahead} ahead of its own clock: the clock was set back, or its times are not UTC"
