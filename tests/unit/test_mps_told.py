"""Figures of cards that are shared by MPS say so, and are never taken together with others."""

from __future__ import annotations

from dataclasses import replace

from planted_fleets import campaign, guide_box
from planted_machine import Truth

from fleet.analyse import analyse
from fleet.model.record import RunLog
from fleet.model.samples import CardState, Telemetry
from fleet.model.trial import AgentSpec
from fleet.remote.cluster.tally import changed_sharing

LOG = campaign(guide_box(), Truth(trial_noise=0.01, task_noise=0.01, dispatch=0.08))


THROUGH, PAST, SILENT = True, False, None


def seen(*ways: bool | None) -> RunLog:
    """The run, whose trials saw the box's first card used so, in turn."""
    told = [
        replace(each, telemetry=Telemetry(after=(CardState(host="box", device="gpu0", time=0.0, mps=way),)))
        for each, way in zip(LOG.observations, (*ways, *ways[-1:] * len(LOG.observations)), strict=False)
    ]
    return replace(LOG, observations=tuple(told))


def test_a_run_through_mps_says_so() -> None:
    """Whoever reads the figures must know: without MPS a second agent gains about nothing."""
    (said,) = [line for line in analyse(seen(THROUGH)).caveats if "MPS" in line]
    assert said.startswith("agents ran side by side by MPS on box/gpu0")


def test_a_run_without_mps_says_nothing_of_it() -> None:
    """Neither of cards that agents take turns on, nor of those that do not tell."""
    for log in (seen(PAST), seen(SILENT)):
        assert not any("MPS" in line for line in analyse(log).caveats)


def test_a_run_of_both_kinds_says_that_they_do_not_compare() -> None:
    """As where the daemon was started in mid-run by hand."""
    (said,) = [line for line in analyse(seen(PAST, THROUGH)).caveats if "MPS" in line]
    assert "they do not compare" in said
    assert "`mps: true` or `mps: false`" in said


def test_an_agent_that_shares_its_card_otherwise_than_the_first_one_is_told() -> None:
    """Its trial is refused; agents of other cards, and of no card, say nothing against it."""
    first = {("box", "gpu0"): False, ("box", "gpu1"): True}
    through, past, core = (AgentSpec(host="box", device=name, slot=0) for name in ("gpu1", "gpu0", "cpu0"))
    assert changed_sharing(first, {through: True, past: False, core: None}) is None
    assert "goes through MPS" in (changed_sharing(first, {through: True, past: True}) or "")
    assert "goes past MPS" in (changed_sharing(first, {through: False}) or "")
    assert changed_sharing({}, {through: False}) is None
