"""propose: what is asked, in which order, and that it always ends."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_fleets import campaign, guide_box, layout, mistuned_box, roomy_box, start, two_hosts
from planted_machine import Truth, observe

from fleet.model.inventory import Inventory, Per, Price
from fleet.model.record import Observation, Outcome
from fleet.model.trial import Budget, Experiment, Layout, Plan, Trial
from fleet.plan.trials.arms import MAX_PACKING_ARMS
from fleet.plan.trials.ceiling import MAX_PROBES
from fleet.plan.trials.experiments import MOST, propose, remaining

Answer = Callable[[Trial, int], Observation]
BAD = [outcome for outcome in Outcome if outcome is not Outcome.OK]
QUIET = Truth(trial_noise=0.0, task_noise=0.0)


def drive(
    plan: Plan, inventory: Inventory, answer: Answer, history: tuple[Observation, ...] = ()
) -> tuple[Observation, ...]:
    """Ask and answer until None; lost hosts are dead from then on. At most 200 trials."""
    seen = list(history)
    alive = frozenset(plan.hosts) - {name for o in seen for name in o.lost}
    while (trial := propose(plan, inventory, seen, alive)) is not None:
        assert {agent.host for agent in trial.layout.agents} <= alive
        observation = answer(trial, len(seen))
        alive -= frozenset(observation.lost)
        seen.append(observation)
        assert len(seen) < 200
    return tuple(seen)


def failed(trial: Trial, outcome: Outcome, lost: tuple[str, ...] = (), elapsed: float = 1.0) -> Observation:
    return Observation(trial=trial, outcome=outcome, started=0.0, elapsed=elapsed, emulated=True, lost=lost)


def well(inventory: Inventory, truth: Truth = QUIET) -> Answer:
    """The planted machine answers."""
    return lambda trial, number: observe(inventory, truth, trial, number)


def experiments(history: tuple[Observation, ...]) -> list[Experiment]:
    return [o.trial.experiment for o in history]


def measured(history: tuple[Observation, ...], where: Layout) -> list[Observation]:
    return [
        o
        for o in history
        if o.trial.layout == where and o.trial.experiment not in (Experiment.WARMUP, Experiment.CEILING)
    ]


GUIDE = guide_box()
PLAN = start(GUIDE).plan
DONE = drive(PLAN, GUIDE, well(GUIDE))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.floats(0, 1), st.sampled_from([guide_box, roomy_box, mistuned_box, two_hosts]))
def test_it_ends_whatever_happens(seed: int, share: float, fleet: Callable[[], Inventory]) -> None:
    """Any mix of good and bad ends within the budget, on living hosts, without asking for a trial twice."""
    chance = random.Random(seed)  # noqa: S311 (chance for a test)
    inventory = fleet()
    plan = start(inventory, seed % 7, Budget(trials=chance.randint(1, 40), seconds=chance.choice([20.0, 1e9]))).plan

    def answer(trial: Trial, number: int) -> Observation:
        if chance.random() > share:
            return replace(observe(inventory, Truth(), lighter(trial), number), trial=trial)
        outcome = chance.choice([o for o in BAD if o is not Outcome.ABORTED])
        hosts = sorted({agent.host for agent in trial.layout.agents})
        lost = (chance.choice(hosts),) if outcome is Outcome.HOST_LOST else ()
        return failed(trial, outcome, lost)

    history = drive(plan, inventory, answer)
    ids = [o.trial.id for o in history]
    assert len(ids) == len(set(ids))
    assert len(history) <= plan.budget.trials
    assert sum(o.elapsed for o in history[:-1]) < plan.budget.seconds
    worst = Counter((o.trial.layout, o.trial.load) for o in history if o.outcome is not Outcome.OK)
    assert max(worst.values(), default=0) <= 3


def lighter(trial: Trial) -> Trial:
    """A trial with a tenth of the load, so that many can be simulated."""
    return replace(trial, load=replace(trial.load, iterations=max(1, trial.load.iterations // 10)))


@pytest.mark.parametrize("outcome", [o for o in BAD if o is not Outcome.ABORTED])
def test_it_ends_where_nothing_ever_works(outcome: Outcome) -> None:
    """Every trial ends badly: no layout is tried more than three times, one that ran out of memory not again."""
    history = drive(PLAN, GUIDE, lambda trial, _: failed(trial, outcome))
    tries = Counter((o.trial.layout, o.trial.load) for o in history)
    limit = 1 if outcome in (Outcome.OUT_OF_MEMORY, Outcome.TIMEOUT) else 3
    assert max(tries.values()) <= limit


def test_what_is_left_is_measured_when_a_host_in_service_dies() -> None:
    """The layout in service cannot run any more; the box and the candidate still can, and are asked."""
    inventory = two_hosts()
    plan = start(inventory).plan
    alive = frozenset(plan.hosts) - {"near"}
    history: list[Observation] = []
    while (trial := propose(plan, inventory, history, alive)) is not None:
        assert "near" not in {agent.host for agent in trial.layout.agents}
        history.append(observe(inventory, QUIET, trial, len(history)))
    asked = {o.trial.experiment for o in history}
    assert Experiment.BASELINE not in asked
    assert {Experiment.WARMUP, Experiment.GPUS, Experiment.REMOTE} <= asked


def test_nothing_is_asked_of_a_dead_head() -> None:
    """The driver runs on the head."""
    assert propose(PLAN, GUIDE, (), frozenset(PLAN.hosts) - {"box"}) is None


def test_nothing_is_asked_beyond_the_budget() -> None:
    """Trials and seconds both end it."""
    alive = frozenset(PLAN.hosts)
    assert propose(replace(PLAN, budget=Budget(trials=5)), GUIDE, DONE[:5], alive) is None
    slow = replace(DONE[0], elapsed=100.0)
    assert propose(replace(PLAN, budget=Budget(seconds=100.0)), GUIDE, (slow,), alive) is None


def test_warm_up_comes_first_and_reaches_every_device() -> None:
    """One short job on everything, also on candidates."""
    first = DONE[0].trial
    assert first.experiment is Experiment.WARMUP
    assert {agent.host for agent in first.layout.agents} == {"box", "far0", "far1"}
    assert first.load.iterations < PLAN.load.iterations


def test_the_ceiling_is_probed_where_the_memory_prior_leaves_it_in_doubt() -> None:
    """A 16 GB card holds po2 20 with room to spare and po2 21 hardly: one short probe settles it, on one agent."""
    probes = [o.trial for o in DONE if o.trial.experiment is Experiment.CEILING]
    assert [p.layout.po2 for p in probes] == [21]
    assert all(len(p.layout.agents) == 1 for p in probes)
    assert all(p.load.iterations < PLAN.load.iterations for p in probes)


def test_the_ceiling_is_probed_down_where_the_prior_promises_too_much() -> None:
    """A 19 GB card that holds half of what the prior says: every surprise is followed by the next size.

    Packing stays below the ceiling found.
    """
    box = GUIDE.hosts[0]
    cards = tuple(replace(card, memory=19 * 10**9) for card in box.devices)
    inventory = replace(GUIDE, hosts=(replace(box, devices=cards), *GUIDE.hosts[1:]))

    def answer(trial: Trial, number: int) -> Observation:
        if trial.layout.po2 >= 20 and trial.experiment is Experiment.CEILING:
            return failed(trial, Outcome.OUT_OF_MEMORY)
        return observe(inventory, QUIET, trial, number)

    history = drive(start(inventory).plan, inventory, answer)
    assert [o.trial.layout.po2 for o in history if o.trial.experiment is Experiment.CEILING] == [21, 20, 19]
    assert all(o.trial.layout.po2 <= 19 for o in history if o.trial.experiment is Experiment.PACKING)


def test_at_most_three_probes_a_model() -> None:
    """A card that takes everything is not probed to the end of the range."""
    inventory = replace(GUIDE, po2_range=(15, 24))
    plan = start(inventory).plan
    history = drive(plan, inventory, lambda t, n: replace(observe(GUIDE, QUIET, quick(t), n), trial=t))
    probes = [o.trial.layout.po2 for o in history if o.trial.experiment is Experiment.CEILING]
    assert probes == [21, 22, 23]
    assert len(probes) == MAX_PROBES


def quick(trial: Trial) -> Trial:
    """The same trial at a size that always fits."""
    return replace(trial, layout=replace(trial.layout, po2=18), load=replace(trial.load, iterations=64))


def test_the_baseline_is_repeated() -> None:
    """Twice at least, and every repeat is another trial with its own seed."""
    base = [o.trial for o in DONE if o.trial.layout == PLAN.current and o.trial.load == PLAN.load]
    assert 2 <= len(base) <= MOST * PLAN.budget.repeats
    assert len({t.seed for t in base}) == len(base)
    assert all(t.experiment is Experiment.BASELINE for t in base)


def test_packing_tries_at_most_three_feasible_settings_on_the_devices_in_service() -> None:
    """None of them needs more memory than the cards have, and po2 and agents can be told apart."""
    arms = {o.trial.layout for o in DONE if o.trial.experiment is Experiment.PACKING}
    assert 0 < len(arms) <= MAX_PACKING_ARMS
    assert all(arm.devices == PLAN.current.devices for arm in arms)
    assert {(arm.po2, arm.agents_per_device) for arm in arms} == {(19, 2), (19, 1), (18, 2)}
    assert all(o.outcome is Outcome.OK for o in DONE if o.trial.experiment is Experiment.PACKING)


def test_settings_that_cannot_win_are_tried_once() -> None:
    """Successive halving: what is clearly slower than the settings in service is dropped after one trial."""
    tries = Counter(o.trial.layout for o in DONE if o.trial.experiment is Experiment.PACKING)
    assert {layout.po2: count for layout, count in tries.items() if layout.agents_per_device == 1} == {19: 1}


def test_the_gain_of_devices_is_measured_with_settings_as_they_are() -> None:
    """One device alone, and everything with one candidate."""
    wanted = {layout(20, box=1), layout(20, box=2, far0=1)}
    asked = {o.trial.layout for o in DONE if o.trial.experiment in (Experiment.GPUS, Experiment.REMOTE)}
    assert asked == wanted


def test_the_answer_is_confirmed() -> None:
    """What the verdict names is measured twice, last."""
    assert experiments(DONE)[-1] is Experiment.CONFIRM
    assert DONE[-1].trial.layout == layout(20, box=2, far0=1)
    assert len(measured(DONE, DONE[-1].trial.layout)) == 2
    tuned = campaign(mistuned_box(), QUIET).observations
    assert tuned[-1].trial.layout == layout(21, box=2)


def test_hardware_is_not_measured_where_other_settings_are_the_answer() -> None:
    """They come first and cost nothing, and what hardware gives with today's settings is worth nothing then."""
    asked = {o.trial.experiment for o in campaign(mistuned_box(), Truth()).observations}
    assert asked.isdisjoint({Experiment.GPUS, Experiment.REMOTE})


def test_a_card_that_cannot_be_added_is_not_looked_into() -> None:
    """No free slot: what cards do to each other cannot change the verdict, so no card is measured alone."""
    asked = {o.trial.experiment for o in campaign(guide_box(slots=0), Truth()).observations}
    assert Experiment.GPUS not in asked


def test_noise_asks_for_more_trials_of_what_decides() -> None:
    """A candidate that is worth about as much as its price: more noise, more repeats of the layouts in question."""
    inventory = replace(GUIDE, prices=replace(GUIDE.prices, worker=Price(amount=3400.0, per=Per.ONCE)))
    counts = {noise: len(campaign(inventory, Truth(trial_noise=noise)).observations) for noise in (0.005, 0.05)}
    assert counts[0.005] < counts[0.05]


def test_repeats_are_interleaved() -> None:
    """The layout in service is measured first and again after the other settings: drift hits both sides."""
    arms = [o.trial for o in DONE if o.trial.load == PLAN.load]
    first, *between = [number for number, trial in enumerate(arms) if trial.experiment is Experiment.BASELINE]
    assert first == 0
    packing = [number for number, trial in enumerate(arms) if trial.experiment is Experiment.PACKING]
    assert between[0] > packing[0]


def test_another_seed_is_another_order() -> None:
    """The order within blocks is drawn by the plan's seed, the set of arms is not."""
    other = drive(start(GUIDE, seed=2).plan, GUIDE, well(GUIDE))
    assert [o.trial.layout for o in other] != [o.trial.layout for o in DONE]
    assert {o.trial.layout for o in other} == {o.trial.layout for o in DONE}


@pytest.mark.parametrize("cut", range(0, 11, 3))
def test_a_resumed_campaign_ends_with_the_same_trials(cut: int) -> None:
    """Killed after any trial: the stored history leads to the trials of an unbroken run, in the same order."""
    resumed = drive(PLAN, GUIDE, well(GUIDE), DONE[:cut])
    assert [o.trial.id for o in resumed] == [o.trial.id for o in DONE]


def test_an_aborted_trial_comes_back_under_its_own_id() -> None:
    """Ctrl-C leaves an ABORTED observation; resumed, that very trial is run again and replaces it."""
    aborted = failed(DONE[5].trial, Outcome.ABORTED)
    trial = propose(PLAN, GUIDE, (*DONE[:5], aborted), frozenset(PLAN.hosts))
    assert trial is not None
    assert trial.id == DONE[5].trial.id


def test_what_remains_is_counted_down() -> None:
    """On a fleet that behaves as expected the estimate is right from the start to within two, and ends at zero."""
    left = [len(remaining(PLAN, GUIDE, DONE[:n], frozenset(PLAN.hosts))) for n in range(len(DONE) + 1)]
    assert abs(left[0] - len(DONE)) <= 2
    assert left[-1] == 0
    assert left[-2] == 1


def test_only_the_wanted_experiments_are_run() -> None:
    """A plan without packing and remote never proposes them."""
    plan = replace(PLAN, experiments=(Experiment.BASELINE, Experiment.GPUS))
    history = drive(plan, GUIDE, well(GUIDE))
    assert set(experiments(history)) == {Experiment.BASELINE, Experiment.GPUS}


def test_a_box_of_four_is_held_against_one_card() -> None:
    """1 and all 4 devices: the ends say most about what one more would do."""
    box = GUIDE.hosts[0]
    cards = tuple(replace(box.devices[0], name=f"gpu{n}") for n in range(4))
    inventory = replace(GUIDE, hosts=(replace(box, devices=cards),))
    plan = start(inventory).plan
    history = drive(plan, inventory, well(inventory))
    counts = {len(o.trial.layout.devices) for o in history if o.trial.experiment is Experiment.GPUS}
    assert counts == {1}
    assert len(plan.current.devices) == 4
