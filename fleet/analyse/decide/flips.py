"""What would flip a decision: the price or gain at which another answer is the better one; and what to measure next.

Two buys are worth the same where their gains per cost are: g/p = h/q. So the named one holds down to a gain of h·p/q,
with the other's gain h and price q, and down to the gain from which on anything is worth it. Of prices that would only
be where the two are even, and next to it no answer is sure: from which price on there is none, and from which on there
is another, is asked of the decision itself.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import replace

from fleet.analyse.decide.options import HARDWARE, WORTH, Candidate, comparable
from fleet.analyse.decide.rules import Case, Decision, decide
from fleet.analyse.decide.worth import NOTHING, Worth, worths
from fleet.analyse.wording import money, roughly
from fleet.model.inventory import Price
from fleet.model.verdict import Choice, Reason
from fleet.units import format_percent, format_seconds

STEP = 1.02
"""By so much prices differ at which the decision is asked again …"""

FAR = 4.0
"""… up to so many times the price at which two buys give the same for their cost."""

OPEN = "not decided any more"


def flips(case: Case, decision: Decision) -> Reason | None:
    """What would have to be otherwise for another answer; None where there is no answer to flip."""
    about = decision.about
    if decision.choice is Choice.INCONCLUSIVE or not any(c.open for c in case.candidates):
        return None
    lines = _of_hold(case) if about is None else (*_of_gain(case, about), *_of_prices(case, about))
    return Reason(code="flips", text="what would flip it", evidence=lines) if lines else None


def rival_of(case: Case, about: Candidate) -> Candidate | None:
    """The other hardware that gives the most for its cost, where anything else that can be bought gains something."""
    others = [c for c in case.hardware if c is not about and c.value is not None and c.value > 0]
    return max(others, key=lambda c: _per_cost(case, c), default=None)


def _per_cost(case: Case, candidate: Candidate) -> float:
    cost = candidate.cost.amount if comparable(case.candidates) and candidate.cost else 1.0
    return (candidate.value or 0.0) / cost


def _of_hold(case: Case) -> tuple[str, ...]:
    return tuple(
        f"a true gain of {WORTH:.0%} or more of {c.label} ({format_percent(c.value)} as it stands)"
        for c in case.candidates
        if c.open and c.value is not None
    )


def _of_gain(case: Case, about: Candidate) -> tuple[str, ...]:
    """The gain below which something else, or nothing, is better."""
    least, instead = WORTH, "it would not be worth it"
    rival = rival_of(case, about) if about.choice in HARDWARE else None
    if rival is not None and rival.value is not None and rival.value >= WORTH:
        even = _per_cost(case, rival) * (about.value or 0.0) / _per_cost(case, about)
        if even > least:
            least, instead = even, f"{rival.label} would be better"
    if about.value is None or least > about.value:
        return ()
    return (
        f"a true gain of {about.label} below {format_percent(least)} ({format_percent(about.value)} now): {instead}",
    )


def _of_prices(case: Case, about: Candidate) -> tuple[str, ...]:
    """From how dear the named buy on, or how cheap its rival, the answer is not sure, and from which on another one."""
    rival = rival_of(case, about) if about.choice in HARDWARE else None
    if rival is None or not comparable(case.candidates) or about.cost is None or rival.cost is None:
        return ()
    steps = math.ceil(math.log(FAR * max(1.0, _per_cost(case, about) / _per_cost(case, rival)), STEP))
    end = _dearer(case, about, steps)
    if end.choice is about.choice:
        return ()
    left = bisect_left(range(steps), True, key=lambda n: _dearer(case, about, n).choice is not about.choice)  # noqa: FBT003 (what is looked for)
    found = bisect_left(range(steps), True, key=lambda n: _dearer(case, about, n).choice is end.choice)  # noqa: FBT003 (likewise)
    better = end.about if end.choice is not Choice.INCONCLUSIVE else None
    currency = case.found.log.inventory.prices.currency

    def line(whose: Candidate, price: Price, than: str, way: int) -> str:
        first, last = (f"{than} about {money(roughly(price, STEP ** (way * n)), currency)}" for n in (left, found))
        between = "" if first == last else f"{OPEN}; for {last}: "
        instead = f"{'it' if better is whose else better.label} would be better" if better else OPEN
        return f"{whose.label} for {first} ({money(price, currency)} now): {between}{instead}"

    return (line(about, about.cost, "more than", 1), line(rival, rival.cost, "less than", -1))


def _dearer(case: Case, about: Candidate, steps: int) -> Decision:
    """The decision were this buy so many steps dearer, or, which is the same, its rival so many steps cheaper."""
    if about.cost is None:
        return decide(case)
    dearer = replace(about, cost=replace(about.cost, amount=about.cost.amount * STEP**steps))
    return decide(replace(case, candidates=tuple(dearer if c is about else c for c in case.candidates)))


def next_trial(case: Case, decision: Decision) -> Reason | None:
    """Which layout would be measured next, and what that lowers P(wrong)·loss by; None where that is no question."""
    if decision.code not in ("undecided", "tune_undecided", "little_to_lose", "gain_per_cost", "all_small"):
        return None
    left = worths(case.found, case.base, case.candidates)
    if not left:
        return None
    useful = [one for one in left if one.forgone >= NOTHING]
    if not useful:
        text = "no further trial of what was measured is worth its time"
        return Reason(code="next_trial", text=text, evidence=(worth_of(left[0]),))
    text = f"the next trial would be {useful[0].layout.label}: for its minutes it lowers most what a wrong answer costs"
    return Reason(code="next_trial", text=text, evidence=tuple(worth_of(one) for one in useful))


def worth_of(one: Worth) -> str:
    """What measuring a layout again would bring: the throughput that a wrong answer forgoes, times its probability."""
    share = f"{one.forgone * 100:.2f} %" if one.forgone >= NOTHING else f"less than {NOTHING * 100:.1f} %"
    again = f"as many trials again ({format_seconds(60 * one.minutes)})"
    return f"{one.layout.label}: {again} lower what a wrong answer forgoes on average by {share} of the throughput"
