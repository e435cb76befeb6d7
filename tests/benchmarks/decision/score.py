"""Fleet's answer to one case, held against its truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from planted_fleets import campaign

from fleet.analyse import analyse
from fleet.model.record import RunLog
from fleet.model.trial import Budget
from fleet.model.verdict import Analysis, Choice, Evidence, Option
from tests.benchmarks.decision.foreign import HOME
from tests.benchmarks.decision.rules import Advice, full_grid, guide
from tests.benchmarks.decision.truth import Case, case


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """One 95 % interval and the truth it should hold; `kind` is what it is an interval of."""

    kind: str
    low: float
    truth: float
    high: float

    @property
    def held(self) -> bool:
        """Whether the truth lies inside."""
        return self.low <= self.truth <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What somebody said about a case, and what it is worth."""

    choice: Choice
    right: bool
    loss: float
    trials: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One case: fleet's answer, at home the others' by name, and fleet's intervals.

    `open`: INCONCLUSIVE is right here. `confidence`: how sure fleet says it is; of settings, that they are the best.
    """

    seed: int
    world: str
    limit: str
    best: Choice
    open: bool
    fleet: Answer
    code: str
    confidence: float
    others: Mapping[str, Answer]
    intervals: tuple[Interval, ...]

    @property
    def decided(self) -> bool:
        """Whether fleet named something to do, or to leave."""
        return self.fleet.choice is not Choice.INCONCLUSIVE


OTHERS = {"full grid, three repeats": full_grid, "the guide's “expect n×”": guide}


def score(seed: int, world: str = HOME) -> Score:
    """Ask fleet, and at home everybody, about the case of a seed."""
    known = case(seed, world)
    log, analysis = asked(known)
    verdict = analysis.verdict
    return Score(
        seed=seed,
        world=world,
        limit=known.cluster.limit,
        best=known.best(),
        open=known.open,
        fleet=_fleet(known, log, analysis),
        code=verdict.reasons[0].code,
        confidence=min(verdict.confidence, verdict.unrivalled),
        others={name: _answer(known, ask(known)) for name, ask in OTHERS.items()} if world == HOME else {},
        intervals=tuple(_intervals(known, analysis)),
    )


def asked(known: Case) -> tuple[RunLog, Analysis]:
    """The whole campaign on the planted machine, and what fleet makes of it."""
    log = campaign(known.cluster.shown, known.cluster.truth, known.cluster.seed, Budget())
    return log, analyse(log)


def option_of(analysis: Analysis, choice: Choice) -> Option:
    """The option of that choice."""
    return next(option for option in analysis.options if option.choice is choice)


def true_gain(known: Case, option: Option) -> float:
    """What an option really gives."""
    if option.choice is Choice.TUNE and option.layout is not None:
        return known.gain(option.layout)
    return known.gains[option.choice]


def _fleet(known: Case, log: RunLog, analysis: Analysis) -> Answer:
    choice = analysis.verdict.choice
    trials = len(log.observations)
    layout = option_of(analysis, Choice.TUNE).layout if choice is Choice.TUNE else None
    if choice is Choice.INCONCLUSIVE:
        loss = 0.0 if known.open else known.loss(Choice.HOLD)
        return Answer(choice=choice, right=known.open, loss=loss, trials=trials)
    return Answer(choice=choice, right=known.right(choice, layout), loss=known.loss(choice, layout), trials=trials)


def _answer(known: Case, advice: Advice) -> Answer:
    return Answer(
        choice=advice.choice,
        right=known.right(advice.choice, advice.layout),
        loss=known.loss(advice.choice, advice.layout),
        trials=advice.trials,
    )


def _intervals(known: Case, analysis: Analysis) -> Iterator[Interval]:
    for seen in analysis.throughputs:
        yield Interval(kind="rate", low=seen.hz.low, truth=known.rate(seen.layout), high=seen.hz.high)
    for option in analysis.options:
        if option.gain is not None:
            kind = "measured gain" if option.evidence is Evidence.MEASURED else "predicted gain"
            truth = true_gain(known, option)
            yield Interval(kind=kind, low=option.gain.low, truth=truth, high=option.gain.high)
