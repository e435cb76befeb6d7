"""Put an analysis into its place: one run's log and what it meant become the one value behind every rendering."""

from __future__ import annotations

from fleet.model.facts import Failure
from fleet.model.record import RunLog
from fleet.model.verdict import Analysis, Report


def build(log: RunLog, analysis: Analysis) -> Report:
    """The report of a run. It is emulated when one device of the inventory is, or one observation was."""
    return Report(
        run=log.id,
        created=log.created,
        version=log.version,
        inventory=log.inventory.name,
        emulated=log.inventory.emulated or any(observation.emulated for observation in log.observations),
        time_scale=log.inventory.time_scale,
        currency=log.inventory.prices.currency,
        hosts=tuple(facts.host for facts in log.survey.facts),
        failures=tuple(_failure(failure) for failure in log.survey.failures),
        trials=len(log.observations),
        seed=log.plan.seed,
        seconds=sum(observation.elapsed for observation in log.observations),
        analysis=analysis,
        current=log.plan.current,
    )


def _failure(failure: Failure) -> str:
    """`far (survey): connection refused; start sshd there`."""
    cure = f"; {failure.hint}" if failure.hint else ""
    return f"{failure.host} ({failure.stage}): {failure.message}{cure}"
