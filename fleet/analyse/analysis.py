"""From a run log to all that it says: gate, arms, scaling, shares, options, verdict, caveats."""

from __future__ import annotations

from collections.abc import Iterable

from fleet.analyse.causes.anatomy import decompositions
from fleet.analyse.causes.attribution import suspects_of
from fleet.analyse.causes.bottleneck import bottleneck
from fleet.analyse.causes.campaign import campaign
from fleet.analyse.causes.contrasts import efficiencies, inflations
from fleet.analyse.causes.measures import both_measures
from fleet.analyse.causes.scaling import scalings
from fleet.analyse.decide.gaps import not_measured
from fleet.analyse.decide.needs import needs
from fleet.analyse.decide.options import Candidate, candidates_of, options_of
from fleet.analyse.decide.reasons import reasons
from fleet.analyse.decide.remarks import caveats
from fleet.analyse.decide.rules import BASELESS, Case, Decision, decide
from fleet.analyse.evidence.arms import sorted_trials, throughput
from fleet.analyse.evidence.findings import Findings, findings
from fleet.analyse.evidence.gate import refused
from fleet.analyse.evidence.identity import shares
from fleet.model.rates import flaw
from fleet.model.record import Observation, Outcome, RunLog
from fleet.model.trial import Experiment
from fleet.model.verdict import Analysis, Bottleneck, Choice, Reason, Refusal, Verdict


def analysis_of(log: RunLog) -> Analysis:
    """All that is known after a run, whatever the order of its observations."""
    found = findings(log)
    turned_away = refused(sorted_trials(log.observations))
    base = found.base
    candidates = candidates_of(found, base) if base is not None else ()
    case = Case(found=found, base=base, candidates=candidates) if base is not None else None
    decision = decide(case) if case else None
    weighed = decision is not None and decision.code not in BASELESS
    return Analysis(
        verdict=_verdict(case, decision) if case and decision else _no_baseline(found, turned_away),
        options=options_of(candidates) if weighed else (),
        throughputs=tuple(throughput(arm, found.spread) for arm in (*found.arms, *found.others)),
        scalings=scalings(found),
        shares=shares(found.arms),
        ceilings=ceilings(found, log.observations),
        refused=turned_away,
        caveats=caveats(found, candidates),
        not_measured=not_measured(found),
        goal=log.plan.goal,
        decompositions=decompositions(found),
        inflations=inflations(found),
        efficiencies=efficiencies(found),
        suspects=suspects_of(found),
        measures=both_measures(found),
        campaign=campaign(log),
    )


def ceilings(found: Findings, observations: Iterable[Observation]) -> tuple[tuple[str, int], ...]:
    """The largest segment size that each model completed with one agent and that no soak ran out of memory at."""
    sizes: dict[str, set[int]] = {}
    failed: dict[str, int] = {}
    for observation in observations:
        layout = observation.trial.layout
        if layout.agents_per_device > 1 or observation.trial.experiment is Experiment.WARMUP:
            continue
        for device in found.devices(layout):
            if flaw(observation) is None:
                sizes.setdefault(device.model, set()).add(layout.po2)
            elif observation.trial.experiment is Experiment.SOAK and observation.outcome is Outcome.OUT_OF_MEMORY:
                failed[device.model] = min(failed.get(device.model, layout.po2), layout.po2)
    largest = ((model, [po2 for po2 in seen if po2 < failed.get(model, po2 + 1)]) for model, seen in sizes.items())
    return tuple(sorted((model, max(lasting)) for model, lasting in largest if lasting))


def _verdict(case: Case, decision: Decision) -> Verdict:
    about: Candidate | None = decision.about
    named = about if decision.choice is not Choice.INCONCLUSIVE else None
    return Verdict(
        choice=decision.choice,
        label=_LABELS[decision.choice].format(what=named.label if named else ""),
        confidence=decision.confidence,
        gain=named.gain if named else None,
        cost=named.cost if named else None,
        bottleneck=bottleneck(case.found, case.base),
        reasons=reasons(case, decision),
        needs=needs(case, decision),
        unrivalled=decision.unrivalled,
    )


_LABELS = {
    Choice.TUNE: "tune what is there: {what}",
    Choice.ADD_GPU: "add {what}",
    Choice.ADD_REMOTE_WORKER: "add {what}",
    Choice.REPLICATE: "add {what}",
    Choice.HOLD: "leave it as it is",
    Choice.INCONCLUSIVE: "not decided: what was measured does not carry a decision",
}


def _no_baseline(found: Findings, turned_away: tuple[Refusal, ...]) -> Verdict:
    current = found.log.plan.current
    of_current = [refusal for refusal in turned_away if refusal.label == current.label]
    reason = Reason(
        code="no_baseline",
        text=f"the layout in service, {current.label}, has no admissible trial: there is nothing to compare with",
        evidence=tuple(dict.fromkeys(f"{refusal.code}: {refusal.seen}" for refusal in of_current)),
    )
    cures = tuple(dict.fromkeys(refusal.cure for refusal in of_current))
    return Verdict(
        choice=Choice.INCONCLUSIVE,
        label=_LABELS[Choice.INCONCLUSIVE],
        confidence=0.0,
        gain=None,
        cost=None,
        bottleneck=Bottleneck(code="unknown", text="not known: the layout in service was not measured"),
        reasons=(reason,),
        needs=cures or (f"measure {current.label}",),
    )
