"""One case in full, to see why fleet said what it said."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.model.rates import effective_hz, flaw
from tests.benchmarks.decision.score import asked, true_gain
from tests.benchmarks.decision.truth import case


def detail(seed: int, world: str) -> Iterator[str]:
    """The truth, the trials, the options and the verdict of a seed in a world."""
    known = case(seed, world)
    cluster = known.cluster
    log, analysis = asked(known)
    yield f"{seed} {cluster.limit}: {known.current.label}, {cluster.truth}"
    blocked = ", ".join(c.value for c in known.blocked) or "nothing"
    yield f"worker lent: {cluster.lent}; blocked: {blocked}; a card apart gives {known.ideal:+.1%}"
    yield f"right: {known.best().value}{' (or INCONCLUSIVE: no trial can tell)' if known.open else ''}"
    for layout, hz in sorted(known.grid.items(), key=lambda item: -item[1])[:5]:
        yield f"  {layout.label}: {hz / known.rate(known.current) - 1:+.1%}"
    for number, seen in enumerate(log.observations):
        what = flaw(seen) or f"{effective_hz(seen.jobs) / known.rate(known.current) - 1:+.1%}"
        yield f"{number + 1:3} {seen.trial.experiment.value:10} {seen.trial.layout.label}: {what}"
    for option in analysis.options:
        if option.gain is not None:
            gain, cost = option.gain, f"{option.cost.amount:.0f}" if option.cost else "no price"
            said = f"{gain.value:+.1%} [{gain.low:+.1%}, {gain.high:+.1%}]"
            yield (
                f"{option.choice.value:18} {option.label}: {said}, truly "
                f"{true_gain(known, option):+.1%}, {cost}, P(best) {option.best:.2f}, {option.blocked or 'open'}"
            )
    verdict = analysis.verdict
    yield f"verdict: {verdict.choice.value} {verdict.confidence:.3f}, bottleneck {verdict.bottleneck.code}"
    for reason in verdict.reasons:
        yield f"  {reason.code}: {reason.text} {list(reason.evidence)}"
    yield from (f"  needs: {need}" for need in verdict.needs)
