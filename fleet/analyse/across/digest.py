"""What a run came to, small enough to be kept of every run: its answer, its terms, its figures."""

from __future__ import annotations

from fleet.analyse.across.likeness import terms
from fleet.analyse.evidence.arms import arms_of
from fleet.model.catalogue import Answer, Digest, Figure
from fleet.model.rates import effective_hz
from fleet.model.record import RunLog
from fleet.model.verdict import Verdict


def digest_of(log: RunLog, verdict: Verdict) -> Digest:
    """The digest of a run that was analysed."""
    return Digest(
        run=log.id,
        created=log.created,
        inventory=log.inventory.name,
        goal=log.plan.goal,
        current=log.plan.current,
        load=log.plan.load,
        answer=Answer(choice=verdict.choice, confidence=verdict.confidence, gain=verdict.gain),
        terms=terms(log),
        figures=tuple(
            Figure(
                layout=arm.layout,
                load=arm.load,
                rates=tuple(effective_hz(o.jobs) for o in arm.trials),
                total=arm.hz,
            )
            for arm in arms_of(log.observations)
        ),
    )
