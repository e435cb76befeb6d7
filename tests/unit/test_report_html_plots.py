"""The closer look at a trial: its chain, its hosts' time, and the bounds of what is drawn."""

from __future__ import annotations

from contextvars import copy_context
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_pages import dossier, large

from fleet.analyse.causes.trialview import Awaited, chain, host_times, typical
from fleet.analyse.evidence.identity import worker_time
from fleet.model.rates import span
from fleet.model.record import JobRecord, Observation, TaskKind, TaskRecord, TaskState
from fleet.model.simulation import Alternative
from fleet.report.html.figure import Figure
from fleet.report.html.gantt import MOST_BARS, Bar, joined, timeline
from fleet.report.html.markup import heads
from fleet.report.html.telemetry import MOST_POINTS, telemetry, thinned
from fleet.report.html.whatif import unbeaten
from fleet.units import Idiom, speak


def task(
    name: str, start: float, end: float, *before: str, agent: str = "box/gpu0#0", created: float = 0.0
) -> TaskRecord:
    kind = TaskKind.JOIN if before else TaskKind.PROVE
    return TaskRecord(
        id=name,
        kind=kind,
        state=TaskState.DONE,
        prerequisites=before,
        created=created,
        started=start,
        updated=end,
        agent=agent,
        host=agent.partition("/")[0],
    )


def job(*tasks: TaskRecord) -> JobRecord:
    return JobRecord(id="job", state=TaskState.DONE, segments=2, user_cycles=1, total_cycles=1, tasks=tasks)


def seen() -> Observation:
    found = typical(dossier().log, dossier().log.plan.current)
    assert found is not None
    return found


# The join waited for b, which waited until a had left its agent; c, elsewhere and done early, is not in the chain.
def test_chain_goes_back_over_agents_and_prerequisites() -> None:
    links = chain(
        [job(task("a", 0, 4), task("b", 4, 7), task("c", 0, 2, agent="far/gpu0#0"), task("j", 7.5, 9, "b", "c"))]
    )
    assert [(link.task.id, link.awaited) for link in links] == [
        ("a", Awaited.NOTHING),
        ("b", Awaited.AGENT),
        ("j", Awaited.TASK),
    ]
    elsewhere = chain([job(task("a", 0, 4), task("b", 4, 7), task("j", 7.5, 9, "b", agent="far/gpu0#0"))])
    assert elsewhere[-1].awaited is Awaited.TASK


# On a whole campaign the chain runs forward in time and ends with the job.
def test_chain_ends_with_the_job() -> None:
    for trial in dossier().log.observations:
        if trial.jobs:
            links = chain(trial.jobs)
            assert links[-1].task.updated == span(t for one in trial.jobs for t in one.tasks)[1]
            starts = [link.task.started or 0.0 for link in links]
            assert all(one < other for one, other in pairwise(starts))


# Hosts' shares add up to 1 each, and together to the identity of all agents.
def test_hosts_time_adds_up() -> None:
    checked = 0
    for trial in dossier().log.observations:
        agents = trial.trial.layout.agents
        parts = host_times(trial.jobs, agents) if trial.jobs else ()
        if not parts:
            continue
        checked += len({part.host for part in parts}) > 1
        whole = worker_time(trial.jobs, len(agents))
        for part in parts:
            assert part.busy + part.dispatch + part.graph == pytest.approx(1.0)
        for name in ("busy", "dispatch"):
            together = sum(getattr(part, name) * part.agents for part in parts) / len(agents)
            assert together == pytest.approx(getattr(whole, name) / whole.total, abs=1e-6)
    assert checked


# Thousands of tasks become at most so many bars; no task is lost, and those of the chain stay what they are.
def test_timeline_is_bounded() -> None:
    bars = [
        Bar(lane=f"box/gpu{n % 4}#0", kind=TaskKind.PROVE, start=n // 4, end=n // 4 + 0.9, tasks=1, names=str(n),
            critical=n % 50 == 0)
        for n in range(20_000)
    ]  # fmt: skip
    drawn = joined(bars, 5000.0)
    assert len(drawn) <= MOST_BARS
    assert sum(bar.tasks for bar in drawn) == len(bars)
    assert [bar for bar in drawn if bar.critical] == sorted(
        (bar for bar in bars if bar.critical), key=lambda bar: (bar.lane, bar.start)
    )


# What was joined is said; what is few is drawn as it is.
def test_timeline_says_what_it_joined() -> None:
    (small,) = timeline(seen(), "now")
    assert "are joined" not in str(small.note)
    bars = [len(x) for trace in small.traces if trace["type"] == "bar" and isinstance(x := trace["x"], list)]
    assert sum(bars) == sum(len(one.tasks) for one in seen().jobs)
    big = next(trial for trial in large(samples=1).observations if trial.trial == seen().trial)
    (figure,) = timeline(big, "now")
    assert "are joined" in str(figure.note)


# Curves are means of slices: never more points than the bound, never outside of what was seen.
@given(st.lists(st.floats(0, 1), min_size=1, max_size=2000))
def test_curves_are_bounded(values: list[float]) -> None:
    points = [(float(at), value) for at, value in enumerate(values)]
    found = thinned(points)
    assert len(found) <= MOST_POINTS
    assert all(min(values) - 1e-9 <= value <= max(values) + 1e-9 for _, value in found)
    assert [at for at, _ in found] == sorted(at for at, _ in found)
    if len(values) <= MOST_POINTS:
        assert found == points


# What was not recorded has no strip: no sample, no plot; nor has one sample, which is no curve.
def test_no_samples_no_plot() -> None:
    found = seen()
    assert list(telemetry(found, "now", 1.0))
    once = tuple({(type(s), s.host, getattr(s, "device", "")): s for s in found.telemetry.samples}.values())
    assert not list(telemetry(replace(found, telemetry=replace(found.telemetry, samples=once)), "now", 1.0))
    assert not list(telemetry(replace(found, telemetry=replace(found.telemetry, samples=())), "now", 1.0))


# Nothing on the frontier is beaten by anything that costs as much or less, and everything off it is.
def test_frontier() -> None:
    simulation = dossier().simulation
    assert simulation is not None
    found = [one for one in simulation.ranking if one.monthly is not None]
    best = unbeaten(found)

    def beaten(one: Alternative) -> bool:
        return any(
            (other.monthly or 0) <= (one.monthly or 0) and other.prediction.hz.value > one.prediction.hz.value
            for other in found
        )

    assert best
    assert not any(beaten(one) for one in best)
    assert all(beaten(one) for one in found if one not in best)


def test_pieces_of_a_told_rate_have_no_chain() -> None:
    """Nobody timed them, so that nothing hung on one."""

    def draw() -> Figure:
        speak(Idiom(unit="MB/s", runs=True, pieces=True))
        (found,) = timeline(seen(), "now")
        return found

    figure = copy_context().run(draw)
    assert "pieces on" in figure.summary
    assert "hung on" not in f"{figure.summary}{figure.note}"
    assert "what the end hung on" not in {trace["name"] for trace in figure.traces}
    assert figure.columns[0] == heads("piece")[0]
