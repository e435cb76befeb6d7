"""The table that the benchmark prints: shares, regret, coverage, trials, confusion, the worst cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import fmean, median, quantiles

from fleet.model.verdict import Choice
from tests.benchmarks.decision.score import Answer, Score

WORST = 10
RIGHT, REGRET, COVERED, TRIALS = 0.95, 0.03, (0.90, 0.98), 12
TENTHS = 10


def table(scores: Sequence[Score]) -> Iterator[str]:
    """All lines."""
    yield from _who(scores)
    yield ""
    yield from _coverage(scores)
    yield ""
    yield from _confusion(scores)
    yield ""
    yield from _limits(scores)
    yield ""
    yield from _worst(scores)


def missed(scores: Sequence[Score]) -> list[str]:
    """The goals that were not reached."""
    answers = [s.fleet for s in scores]
    short = [kind for kind, share, _ in _held(scores) if not COVERED[0] <= share <= COVERED[1]]
    goals = [
        ("right verdicts", fmean(a.right for a in answers) >= RIGHT),
        ("regret", fmean(a.loss for a in answers) <= REGRET),
        ("trials", median(a.trials for a in answers) <= TRIALS),
        *((f"coverage of a {kind}", False) for kind in short),
    ]
    return [name for name, reached in goals if not reached]


def _who(scores: Sequence[Score]) -> Iterator[str]:
    yield f"{'':26}{'right':>8}{'regret':>9}{'90 %':>8}{'trials':>8}{'most':>6}"
    rows = (
        ("fleet", [s.fleet for s in scores]),
        ("full grid, three repeats", [s.grid for s in scores]),
        ("the guide's “expect n×”", [s.guide for s in scores]),
    )
    for name, answers in rows:
        losses = [a.loss for a in answers]
        yield (
            f"{name:26}{_share(answers):>8}{fmean(losses):9.1%}{quantiles(losses, n=TENTHS)[-1]:8.1%}"
            f"{median(a.trials for a in answers):8.0f}{max(a.trials for a in answers):6}"
        )
    yield f"{'goal':26}{f'≥ {RIGHT:.0%}':>8}{f'≤ {REGRET:.0%}':>9}{'':8}{f'≤ {TRIALS}':>8}"
    silent = [s for s in scores if s.fleet.choice is Choice.INCONCLUSIVE]
    said = [s.fleet for s in scores if s.fleet.choice is not Choice.INCONCLUSIVE]
    due = sum(s.open for s in silent)
    yield (
        f"fleet decided {len(said)} of {len(scores)}, {_share(said)} of these right (mean confidence "
        f"{fmean(s.confidence for s in scores if s.fleet in said):.0%}); INCONCLUSIVE {len(silent)} times: {due} where "
        f"no trial can tell (right), {len(silent) - due} elsewhere (wrong; regret as of doing nothing)"
    )


def _share(answers: Sequence[Answer]) -> str:
    return f"{fmean(a.right for a in answers):.1%}" if answers else "–"


def _held(scores: Sequence[Score]) -> Iterator[tuple[str, float, int]]:
    """(kind, share of intervals that hold the truth, how many)."""
    intervals = [i for s in scores for i in s.intervals]
    for kind in dict.fromkeys(i.kind for i in intervals):
        chosen = [i.held for i in intervals if i.kind == kind]
        yield kind, fmean(chosen), len(chosen)


def _coverage(scores: Sequence[Score]) -> Iterator[str]:
    yield f"{'95 % intervals of':26}{'hold':>8}{'of':>7}{'too low':>9}{'too high':>9}   goal 90 to 98 %"
    for kind, share, count in _held(scores):
        chosen = [i for s in scores for i in s.intervals if i.kind == kind]
        low, high = fmean(i.high < i.truth for i in chosen), fmean(i.low > i.truth for i in chosen)
        yield f"{kind:26}{share:8.1%}{count:7}{low:9.1%}{high:9.1%}"


def _confusion(scores: Sequence[Score]) -> Iterator[str]:
    said = [c for c in Choice if any(s.fleet.choice is c for s in scores)]
    heading = "right ↓ fleet says →"
    yield f"{heading:26}" + "".join(f"{c.value:>19}" for c in said)
    for best in Choice:
        row = [s for s in scores if s.best is best]
        if row:
            counts = Counter(s.fleet.choice for s in row)
            fine = Counter(s.fleet.choice for s in row if s.fleet.right)
            cells = [f"{counts[c]} ({fine[c]} right)" if counts[c] else "–" for c in said]
            yield f"{best.value:26}" + "".join(f"{cell:>19}" for cell in cells)


def _limits(scores: Sequence[Score]) -> Iterator[str]:
    yield f"{'limit':26}{'cases':>8}{'right':>9}{'regret':>8}{'trials':>8}"
    for limit in dict.fromkeys(s.limit for s in scores):
        answers = [s.fleet for s in scores if s.limit == limit]
        yield (
            f"{limit:26}{len(answers):8}{_share(answers):>9}{fmean(a.loss for a in answers):8.1%}"
            f"{median(a.trials for a in answers):8.0f}"
        )


def _worst(scores: Sequence[Score]) -> Iterator[str]:
    yield f"{'worst cases (--only SEED)':26}{'right':>18}{'fleet':>18}{'regret':>8}{'trials':>8}{'sure':>6}   code"
    wrong = sorted((s for s in scores if not s.fleet.right), key=lambda s: (-s.fleet.loss, s.seed))
    for s in wrong[:WORST]:
        yield (
            f"{f'{s.seed} {s.limit}':26}{s.best.value:>18}{s.fleet.choice.value:>18}{s.fleet.loss:8.1%}"
            f"{s.fleet.trials:8}{s.confidence:6.2f}   {s.code}"
        )
