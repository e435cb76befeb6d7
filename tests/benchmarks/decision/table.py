"""The table that the benchmark prints: shares, regret, coverage, trials, confusion, the worst cases."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import fmean, median, quantiles

from fleet.model.verdict import SURE, Choice
from tests.benchmarks.decision.score import Answer, Score

WORST = 10
RIGHT, REGRET, COVERED, TRIALS = 0.95, 0.03, (0.90, 0.98), 12
TENTHS = 10


def table(scores: Sequence[Score]) -> Iterator[str]:
    """All lines."""
    yield from _who(scores)
    yield ""
    yield from _sureness(scores)
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
    others = {name: [s.others[name] for s in scores] for name in scores[0].others}
    for name, answers in {"fleet": [s.fleet for s in scores], **others}.items():
        losses = [a.loss for a in answers]
        yield (
            f"{name:26}{_share(answers):>8}{fmean(losses):9.1%}{quantiles(losses, n=TENTHS)[-1]:8.1%}"
            f"{median(a.trials for a in answers):8.0f}{max(a.trials for a in answers):6}"
        )
    yield f"{'goal':26}{f'≥ {RIGHT:.0%}':>8}{f'≤ {REGRET:.0%}':>9}{'':8}{f'≤ {TRIALS}':>8}"
    silent = [s for s in scores if not s.decided]
    said = [s.fleet for s in scores if s.decided]
    due = sum(s.open for s in silent)
    yield (
        f"fleet decided {len(said)} of {len(scores)}, {_share(said)} of these right (mean confidence "
        f"{fmean(s.confidence for s in scores if s.fleet in said):.0%}); INCONCLUSIVE {len(silent)} times: {due} where "
        f"no trial can tell (right), {len(silent) - due} elsewhere (wrong; regret as of doing nothing)"
    )


def _share(answers: Sequence[Answer]) -> str:
    return f"{fmean(a.right for a in answers):.1%}" if answers else "–"


SURENESS = ((0.99, 1.0), (SURE, 0.99), (0.9, SURE), (0.75, 0.9), (0.0, 0.75))
"""What the screen says of how sure an answer is, in classes: above the first, at most the second."""

Z = 1.96


def _sureness(scores: Sequence[Score]) -> Iterator[str]:
    """How often what was said to be so sure was right."""
    yield f"{'how sure fleet said it was':26}{'answers':>8}{'said':>9}{'right':>8}   95 % of that"
    for low, high in SURENESS:
        chosen = [s for s in scores if s.decided and low < s.confidence <= high]
        if chosen:
            right = sum(s.fleet.right for s in chosen)
            least, most = wilson(right, len(chosen))
            name = f"> {low:.0%}" if high == 1 else f"{low:.0%} to {high:.0%}" if low else f"< {high:.0%}"
            yield (
                f"{name:26}{len(chosen):8}{fmean(s.confidence for s in chosen):9.1%}{right / len(chosen):8.1%}"
                f"   {least:.1%} to {most:.1%}"
            )


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927)."""
    share, weight = hits / of, Z**2 / of
    middle = (share + weight / 2) / (1 + weight)
    half = Z / (1 + weight) * math.sqrt(share * (1 - share) / of + weight / (4 * of))
    return middle - half, middle + half


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
    kinds = [kind for kind, _, _ in _held(scores)]
    yield f"{'limit':26}{'cases':>8}{'right':>9}{'regret':>8}{'trials':>8}   held: {', '.join(kinds)}"
    for limit in dict.fromkeys(s.limit for s in scores):
        group = [s for s in scores if s.limit == limit]
        answers, held = [s.fleet for s in group], {kind: share for kind, share, _ in _held(group)}
        yield (
            f"{limit:26}{len(answers):8}{_share(answers):>9}{fmean(a.loss for a in answers):8.1%}"
            f"{median(a.trials for a in answers):8.0f}   "
            + "".join(f"{held.get(kind, math.nan):7.1%}" for kind in kinds)
        )


def abroad(scores: Sequence[Score]) -> Iterator[str]:
    """A row for each world: how often fleet is right there, how often it is wrong and says it is sure."""
    heading = f"{'':14}{'cases':>6}{'right':>8}{'regret':>8}{'trials':>7}"
    yield f"{heading}{'sure':>6}{'wrong':>7}{'> 99 %':>8}{'wrong':>7}   held"
    for world in dict.fromkeys(s.world for s in scores):
        group = [s for s in scores if s.world == world]
        answers = [s.fleet for s in group]
        sure, surer = ([s.fleet.right for s in group if s.decided and s.confidence >= at] for at in (SURE, 0.99))
        held = "".join(f"{share:7.1%}" for _, share, _ in _held(group))
        yield (
            f"{world:14}{len(group):6}{_share(answers):>8}{fmean(a.loss for a in answers):8.1%}"
            f"{median(a.trials for a in answers):7.0f}"
            f"{len(sure):6}{_wrong(sure):>7}{len(surer):8}{_wrong(surer):>7}   {held}"
        )


def _wrong(right: Sequence[bool]) -> str:
    return f"{1 - fmean(right):.1%}" if right else "–"


def _worst(scores: Sequence[Score]) -> Iterator[str]:
    yield f"{'worst cases (--only SEED)':26}{'right':>18}{'fleet':>18}{'regret':>8}{'trials':>8}{'sure':>6}   code"
    wrong = sorted((s for s in scores if not s.fleet.right), key=lambda s: (-s.fleet.loss, s.seed))
    for s in wrong[:WORST]:
        yield (
            f"{f'{s.seed} {s.limit}':26}{s.best.value:>18}{s.fleet.choice.value:>18}{s.fleet.loss:8.1%}"
            f"{s.fleet.trials:8}{s.confidence:6.2f}   {s.code}"
        )
