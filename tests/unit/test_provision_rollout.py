"""What a provisioning as a whole came to: who is blamed, and with which exit code."""

from __future__ import annotations

import time

import pytest

from fleet.errors import ConfigurationError, LoginError, ProvisionError
from fleet.model.playbook import ScriptStep, StepReport, StepState
from fleet.plan.steps.outcome import blocked, came_of
from fleet.provision.journal import new_run, since
from fleet.provision.rollout import shortfall

STEP = ScriptStep(name="gate", unless="false")


def failed(host: str, error: LoginError | ProvisionError) -> tuple[StepReport, ...]:
    return came_of(host, blocked([STEP], error), {})


UNREACHED = failed("far-1", LoginError("it refused the key", host="far-1"))
UNABLE = failed("far-2", ProvisionError("no space"))
FINE = (StepReport(host="box", step="gate", state=StepState.RIGHT),)


@pytest.mark.parametrize(
    ("reports", "code"),
    [(UNREACHED, 3), (UNABLE, 4), ((*UNREACHED, *UNABLE), 4), ((*FINE, *UNREACHED), 3)],
)
def test_a_host_that_was_not_reached_is_no_failed_step(reports: tuple[StepReport, ...], code: int) -> None:
    """Exit code 3 as long as nothing but reaching failed, 4 as soon as a step did."""
    trouble = shortfall(reports, "fleet provision prod.yaml p.yaml --only-failed")
    assert trouble is not None
    assert trouble.exit_code == code
    assert "p.yaml --only-failed" in str(trouble)


def test_without_a_failure_there_is_no_trouble() -> None:
    assert shortfall(FINE, "fleet provision prod.yaml") is None


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("2h", "20261123T050000"),
        ("90m", "20261123T053000"),
        ("2026-11-22", "20261122T000000"),
        ("2026-11-23 06:24", "20261123T062400"),
        ("2026-11-23T06:24:05", "20261123T062405"),
    ],
)
def test_a_time_since_which_changes_are_put_back_is_the_beginning_of_their_names(text: str, first: str) -> None:
    assert since(text, 1795417200.0) == first
    assert since("1h", time.time()) < new_run() < since("0s", time.time() + 3600)


@pytest.mark.parametrize("text", ["yesterday", "", "2026-13-01", "1e99h", "nan"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--since"):
        since(text, 1795417200.0)
