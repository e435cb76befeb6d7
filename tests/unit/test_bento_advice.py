"""Recommended settings: only what was measured or replayed, with its gain and evidence, as files that can be used."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from functools import cache

import pytest
from jsonschema import Draft202012Validator
from planted_campaigns import WATCHED
from planted_fleets import campaign, guide_box, mistuned_box
from test_bento_files import sight
from test_report_history import ARCHIVE, CYCLES, found, jobs

from fleet.analyse.advice import NOT_MEASURED, advice_of_history, advice_of_run, merged
from fleet.analyse.history import history
from fleet.codec.composeyaml import write_compose
from fleet.errors import ConfigurationError
from fleet.model.advice import Knob, Settings
from fleet.model.history import Generation, Knobs, Plane
from fleet.model.rates import effective_hz, flaw
from fleet.model.record import Observation, RunLog
from fleet.plan.bento.settings import broker_lines, env_lines, override_tree
from fleet.plan.bento.sight import Sight
from fleet.report.screens.advice import advice_json, advice_screen
from fleet.report.structured.run import shipped_schema

COMPOSE = """
services:
  exec_agent: {image: "agent:1", command: "-t exec --segment-po2 ${SEGMENT_SIZE:-21}", entrypoint: /app/agent}
  aux_agent: {image: "agent:1", command: "-t aux", entrypoint: /app/agent}
  gpu_agent0:
    image: "agent:1"
    command: "-t prove"
    entrypoint: /app/agent
    environment: {DATABASE_URL: "postgresql://${POSTGRES_USER}:${POSTGRES_PASSWORD}@postgres/taskdb"}
  postgres: {image: "postgres:17"}
"""


@cache
def tuned() -> RunLog:
    return campaign(mistuned_box(), WATCHED)


def head() -> Sight:
    return sight(COMPOSE)


def test_a_better_size_is_recommended_with_its_gain() -> None:
    """The segment size that the campaign measured best, its interval, and 0.75 × the worst trial of that layout."""
    log = tuned()
    said = advice_of_run(log)
    size = said.of(Knob.SEGMENT_SIZE)
    assert size is not None
    assert said.layout is not None
    assert (size.now, size.value) == (str(log.plan.current.po2), str(said.layout.po2))
    assert size.changes
    assert size.gain is not None
    assert 0 < size.gain.low <= size.gain.value <= size.gain.high
    trials = [effective_hz(o.jobs) for o in log.observations if o.trial.layout == said.layout and flaw(o) is None]
    assert said.peak is not None
    # Warm-up and ceiling probes are no trials, so that the worst trial is no lower than the worst of all.
    assert said.peak.worst >= min(trials)
    assert said.peak.khz == int(0.75 * said.peak.worst / 1e3)
    assert f"SEGMENT_SIZE={said.layout.po2}" in env_lines(said)
    assert broker_lines(said) == ("[market]", f"peak_prove_khz = {said.peak.khz}")


def test_what_nobody_measured_is_not_recommended() -> None:
    """A run says nothing of timers; where no other number of agents was tried, nothing of agents."""
    said = advice_of_run(tuned())
    for knob in (Knob.POLL, Knob.REFRESH, Knob.PROVE_TIMEOUT):
        advice = said.of(knob)
        assert advice is not None
        assert advice.value is None
        assert advice.evidence[0].startswith(NOT_MEASURED)
    base = advice_of_run(replace(tuned(), observations=_of_the_layout_in_service(tuned())))
    for knob in (Knob.SEGMENT_SIZE, Knob.AGENTS):
        advice = base.of(knob)
        assert advice is not None
        assert advice.value is None
        assert advice.evidence[0].startswith(NOT_MEASURED)
    assert base.changed == ()
    assert base.peak is not None
    assert base.peak.khz < (said.peak.khz if said.peak else 0)


def test_what_was_tried_only_together_with_something_else_is_said() -> None:
    """Two agents at another size tell nothing of the number alone, nor of the size; but they were tried."""
    log = campaign(guide_box(), WATCHED)
    now = log.plan.current

    def doubled(one: Observation) -> Observation:
        agents = tuple(replace(agent, slot=slot) for agent in now.agents for slot in (0, 1))
        return replace(one, trial=replace(one.trial, layout=replace(one.trial.layout, agents=agents)))

    base = [one for one in log.observations if one.trial.layout == now]
    others = [one for one in log.observations if one.trial.layout == replace(now, po2=one.trial.layout.po2 or 0)]
    both = advice_of_run(
        replace(log, observations=(*base, *(doubled(one) for one in others if one.trial.layout != now)))
    )
    for knob, words in (
        (Knob.AGENTS, "other numbers were tried together with other sizes only: "),
        (Knob.SEGMENT_SIZE, "other sizes were tried together with other numbers of agents only: "),
    ):
        advice = both.of(knob)
        assert advice is not None
        assert advice.value is None
        assert words in advice.evidence[0]
        assert "gave" in advice.evidence[0]


def test_settings_that_are_right_are_kept() -> None:
    """On the guide's box hardware is what helps: nothing is set anew, and what was tried is told with its loss."""
    said = advice_of_run(campaign(guide_box(), WATCHED))
    assert said.changed == ()
    told = [one for one in said.advice if one.value is not None]
    assert told
    assert all(one.value == one.now and "gave" in one.evidence[0] for one in told)


def test_a_run_without_a_baseline_recommends_nothing() -> None:
    """One line, and no figure."""
    with pytest.raises(ConfigurationError, match="no trial of the layout in service"):
        advice_of_run(replace(tuned(), observations=()))


def test_timers_come_from_the_past() -> None:
    """The replay's answer, said to be a replay; the promise is 0.75 × the worst job that counts."""
    said = advice_of_history(found())
    refresh, poll = said.of(Knob.REFRESH), said.of(Knob.POLL)
    assert refresh is not None
    assert poll is not None
    assert (refresh.now, refresh.value, refresh.replayed) == ("5", "1", True)
    assert refresh.gain == found().verdict.gain
    assert poll.value is None
    worst = min(float(job.hz) for job in jobs() if job.hz is not None)
    assert said.peak is not None
    assert said.peak.khz == int(0.75 * worst / 1e3)
    assert env_lines(said) == ("STREAM_REFRESH_INTERVAL=1",)


def test_what_is_set_so_already_is_kept() -> None:
    """The jobs ran with a refresh of 5 s; where the cluster has 1 s by now, nothing is to be set, nor gained."""
    said = advice_of_history(history(ARCHIVE, jobs(), Knobs(agents=4, refresh=1.0, refresh_set=1.0, poll_set=1.0)))
    refresh = said.of(Knob.REFRESH)
    assert refresh is not None
    assert (refresh.now, refresh.changes, refresh.gain) == ("1", False, None)
    assert env_lines(said) == ()


def test_the_brokers_promise_is_by_jobs_of_the_size_that_counts() -> None:
    """A small functional test has a segment size of its own, and is slower than any order."""
    small = replace(jobs()[0], id="small", cycles=CYCLES >> 4, hz=Decimal(1000))
    first, both = (advice_of_history(history(ARCHIVE, past, Knobs(agents=4))) for past in (jobs(), (*jobs(), small)))
    assert first.peak == both.peak
    size = both.of(Knob.SEGMENT_SIZE)
    assert size is not None
    assert size.now == "20"


def test_a_stack_that_announces_work_has_no_timers() -> None:
    """On the current stack nothing is said of POLL_TIME but that nobody waits for it."""
    pushed = replace(ARCHIVE, generation=Generation(stack="current (Redis)", plane=Plane.PUSH, oldest_job_first=False))
    said = advice_of_history(history(pushed, jobs(), Knobs(agents=4)))
    assert said.changed == ()
    assert all("no use for it" in one.evidence[0] for one in said.advice if one.knob in (Knob.POLL, Knob.REFRESH))


def test_a_time_limit_that_was_reached_is_raised() -> None:
    """Four times the longest prove that was seen, and no figure for the gain: jobs with retries count for nothing."""
    slow = replace(jobs()[0], retried=2, timeouts=2)
    said = advice_of_history(history(ARCHIVE, (slow, *jobs()[1:]), Knobs(agents=4)))
    limit = said.of(Knob.PROVE_TIMEOUT)
    assert limit is not None
    assert limit.changes
    assert limit.gain is None
    assert int(limit.value or 0) >= 60
    assert "2 tasks reached their time limit" in limit.evidence[0]


def test_both_sources_together() -> None:
    """Each knob from the source that knows of it; the lower promise of the two."""
    run, past = advice_of_run(tuned()), advice_of_history(found())
    both = merged(run, past)
    assert {one.knob for one in both.changed} >= {Knob.SEGMENT_SIZE, Knob.REFRESH}
    assert run.peak is not None
    assert past.peak is not None
    assert both.peak is not None
    assert both.peak.khz == min(run.peak.khz, past.peak.khz)
    assert len(both.sources) == 2
    limit = both.of(Knob.PROVE_TIMEOUT)
    assert limit is not None
    assert limit.evidence[0].startswith("no task reached its time limit")  # who has looked into it is who is heard


def test_the_override_adds_to_the_agents_only() -> None:
    """Timers reach agents whatever the compose file passes on; other services, and secrets, are in no override."""
    said = advice_of_history(found())
    tree = override_tree(said, head(), mistuned_box().head)
    assert tree is not None
    services = tree["services"]
    assert isinstance(services, dict)
    assert set(services) == {"exec_agent", "aux_agent", "gpu_agent0"}
    assert all(service == {"environment": {"STREAM_REFRESH_INTERVAL": "1"}} for service in services.values())
    assert "POSTGRES" not in write_compose(tree)


def test_no_override_where_the_env_file_is_enough() -> None:
    """A segment size alone is a line of the env file."""
    log = tuned()
    said = replace(advice_of_run(log), advice=tuple(a for a in advice_of_run(log).advice if a.knob is not Knob.AGENTS))
    assert override_tree(said, head(), log.inventory.head) is None


def test_agents_that_change_take_the_place_of_the_operators() -> None:
    """One service an agent, the operator's set to none, the variables of its secrets still open."""
    said = _with_agents(advice_of_run(tuned()), "2")
    tree = override_tree(said, head(), tuned().inventory.head)
    assert tree is not None
    text = write_compose(tree)
    assert "gpu_agent0:\n    deploy:\n      replicas: 0" in text
    assert "fleet_prove_0_0" in text
    assert "${POSTGRES_PASSWORD}" in text


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_screen_says_it_within_its_width(width: int) -> None:
    """Files to be copied are never wrapped; everything else fits."""
    said = merged(advice_of_run(tuned()), advice_of_history(found()))
    lines = [one.text for one in advice_screen(said, (("fleet.env", "A" * 300 + "\n"),), width=width)]
    assert all(len(text) <= max(width, 40) for text in lines if "AAA" not in text)
    assert "  " + "A" * 300 in lines
    whole = " ".join(" ".join(lines).split())
    assert "STREAM_REFRESH_INTERVAL" in whole
    assert "replayed" in whole


def test_json_has_every_figure() -> None:
    """One object, as the shipped schema has it; nothing in it is NaN."""
    said = merged(advice_of_run(tuned()), advice_of_history(found()))
    told = json.loads(advice_json(said, (("fleet.env", "SEGMENT_SIZE=20\n"),)))
    Draft202012Validator(shipped_schema("settings")).validate(told)
    assert [one["name"] for one in told["settings"]] == [knob.value for knob in Knob]
    assert told["files"] == {"fleet.env": "SEGMENT_SIZE=20\n"}
    assert told["peak_prove_khz"]["khz"] == said.peak.khz if said.peak else None
    assert Decimal(told["peak_prove_khz"]["worst_hz"]) > 0


def _with_agents(said: Settings, value: str) -> Settings:
    """As if another number of agents had been found best."""
    changed = tuple(replace(one, value=value) if one.knob is Knob.AGENTS else one for one in said.advice)
    return replace(said, advice=changed)


def _of_the_layout_in_service(log: RunLog) -> tuple[Observation, ...]:
    return tuple(one for one in log.observations if one.trial.layout == log.plan.current)
