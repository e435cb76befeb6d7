"""One worker more: survey, provision, predict, then measure what it adds, in pairs with and without it.

Nothing here decides whether the worker stays: the command does, from the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fleet import __version__
from fleet.analyse.evidence.sofar import rates_so_far
from fleet.analyse.foretell.marginal import expectation, marginal
from fleet.analyse.foretell.outlook import Premises
from fleet.errors import HostError, MeasureError, ProvisionError
from fleet.measure.pace import seconds_left
from fleet.model.event import Estimated, Note, Planned, Surveyed, TrialFinished, TrialProgress, TrialStarted
from fleet.model.expansion import Marginal
from fleet.model.facts import Failure, Survey
from fleet.model.inventory import Host, Inventory, Role
from fleet.model.playbook import Playbook, StepState
from fleet.model.rates import flaw
from fleet.model.record import Observation, RunLog
from fleet.model.simulation import Prediction
from fleet.model.trial import Budget, Experiment, Layout, Plan
from fleet.pipeline import Parts, stage
from fleet.plan.trials.layouts import layout_of, whole
from fleet.plan.trials.make import make_plan
from fleet.plan.trials.pairs import Pairs, next_trial
from fleet.ports import Store, Workload
from fleet.provision.agents import needs_ray
from fleet.provision.apply import Terms, apply
from fleet.provision.survey import check_versions, survey
from fleet.report.wording import gain


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """What was asked for. `inventory` has the worker, as a candidate; `reached` is it with lab hosts completed.

    `last`: the fleet's last run, whose load and settings are used again; None = it has none. `resume`: this expansion's
    own run where it was interrupted. `terms`: where its changes are recorded. `wanted`: half of the wanted interval's
    width, relative; at `most` so many pairs.
    """

    run: str
    inventory: Inventory
    reached: Inventory
    worker: str
    playbook: Playbook
    premises: Premises
    terms: Terms
    wanted: float
    most: int
    seed: int = 1
    last: RunLog | None = None
    resume: RunLog | None = None


def prepare(parts: Parts, asked: Expansion) -> Survey:
    """Survey the hosts in service and the worker, and make the worker ready. HostError or ProvisionError."""
    with stage(parts.observe, "survey") as say:
        hosts = _concerned(asked)
        found = survey(parts.transport, replace(asked.reached, hosts=hosts), parts.observe, parts.clock)
        parts.observe(Surveyed(survey=found))
        _need_all(found.failures)
        say(f"{len(found.facts)} of {len(hosts)} hosts")
    with stage(parts.observe, "provision") as say:
        steps = apply(parts.transport, asked.playbook, hosts, parts.observe, dry_run=False, terms=asked.terms)
        say(f"{sum(step.state is StepState.CHANGED for step in steps)} of {len(steps)} steps changed something")
    for step in steps:
        if step.state is StepState.FAILED:
            raise ProvisionError(f"{step.step}: {step.summary}", host=step.host, hint=step.detail or None)
    if any(step.state is StepState.CHANGED for step in steps):
        found = survey(parts.transport, replace(asked.reached, hosts=hosts), parts.observe, parts.clock)
        _need_all(found.failures)
    if needs_ray(asked.inventory):
        _need_all(check_versions(found, asked.inventory.head.name))
    return found


def expand(parts: Parts, asked: Expansion, store: Store, surveyed: Survey) -> Marginal:
    """Measure what the worker adds. MeasureError where there is no pair of trials to tell it from."""
    plan = _plan(asked, surveyed)
    together = _together(asked, plan)
    log = _begin(parts, asked, store, surveyed, plan)
    expected = _expected(asked, asked.last, plan, together) if asked.last else None
    if expected:
        parts.observe(Note(text=f"the twin expects {gain(expected.gain)} of {asked.worker}"))
    hosts = tuple(host for host in _concerned(asked) if host.name in plan.hosts)
    with stage(parts.observe, "cluster") as say:
        workload = parts.workload(hosts, surveyed)
        workload.__enter__()
        say(f"{len(workload.alive())} nodes")
    try:
        with stage(parts.observe, "measure") as say:
            log, expected = _measure(parts, asked, store, workload, log, together, expected)
            say(f"{len(log.observations)} trials")
    finally:
        workload.__exit__(None, None, None)
    try:
        found = marginal(log, asked.worker, together, expected, asked.wanted)
    except ValueError:
        flawed = [o for o in log.observations if flaw(o) is not None]
        why = (flawed[-1].cause or flawed[-1].outcome.value) if flawed else "none was run"
        hint = f"{len(flawed)} of {len(log.observations)} trials do not count; the same command goes on"
        raise MeasureError(f"no pair of trials went well, the last: {why}", hint=hint) from None
    store.finish(log.id)
    return found


def _concerned(asked: Expansion) -> tuple[Host, ...]:
    """The head, the hosts in service, and the worker; other candidates and what is drained have no part in it."""
    return tuple(
        host
        for host in asked.reached.hosts
        if host.name == asked.worker or host.role is Role.HEAD or not (host.candidate or host.drained)
    )


def _need_all(failures: Sequence[Failure]) -> None:
    """Without a host in service the gain would be one over another fleet."""
    for failure in failures:
        error = ProvisionError if failure.stage == "provision" else HostError
        raise error(failure.message, host=failure.host, hint=failure.hint)


def _plan(asked: Expansion, surveyed: Survey) -> Plan:
    """The load and the settings of the fleet's last run; where it has none, as the inventory has them."""
    if asked.resume:
        return asked.resume.plan
    inventory, last = asked.inventory, asked.last
    if last:
        current, was = inventory.current, last.plan.current
        po2, agents = current.po2 or was.po2, current.agents_per_device or was.agents_per_device
        inventory = replace(inventory, current=replace(current, po2=po2, agents_per_device=agents))
    budget = Budget(trials=2 * asked.most + 1, repeats=asked.most)
    plan = make_plan(inventory, surveyed, run=asked.run, seed=asked.seed, budget=budget)
    plan = replace(plan, experiments=(Experiment.WARMUP, Experiment.BASELINE, Experiment.REMOTE))
    return replace(plan, load=last.plan.load) if last else plan


def _together(asked: Expansion, plan: Plan) -> Layout:
    """The layout in service with all devices of the worker."""
    worker = asked.inventory.host(asked.worker)
    own = layout_of(whole([worker]), plan.current.agents_per_device, plan.current.po2)
    return replace(plan.current, agents=tuple(sorted({*plan.current.agents, *own.agents})))


def _begin(parts: Parts, asked: Expansion, store: Store, surveyed: Survey, plan: Plan) -> RunLog:
    if asked.resume:
        store.claim(asked.resume.id)
        return replace(asked.resume, survey=surveyed)
    log = RunLog(
        id=asked.run,
        created=parts.clock.now(),
        version=__version__,
        inventory=asked.inventory,
        survey=surveyed,
        plan=plan,
    )
    parts.observe(Planned(plan=plan))
    store.create(log)
    store.claim(log.id)
    return log


def _expected(asked: Expansion, log: RunLog, plan: Plan, together: Layout) -> Prediction | None:
    if log.plan.load != plan.load:
        return None
    return expectation(log, asked.inventory, plan.current, together, asked.premises)


def _measure(
    parts: Parts,
    asked: Expansion,
    store: Store,
    workload: Workload,
    log: RunLog,
    together: Layout,
    expected: Prediction | None,
) -> tuple[RunLog, Prediction | None]:
    """Pair after pair; where the last run said nothing, the first trial without the worker is what is replayed."""
    pairs = Pairs(plan=log.plan, together=together, wanted=asked.wanted, most=asked.most)
    seen: list[Observation] = [o for o in log.observations if flaw(o) is None]  # what failed before gets another chance
    begun = len(seen)
    while (trial := next_trial(pairs, seen, fresh=len(seen) == begun)) is not None:
        if lost := {agent.host for agent in trial.layout.agents} - workload.alive():
            raise MeasureError(f"{', '.join(sorted(lost))} cannot prove any more", hint="run the command again")
        if expected is None and trial.experiment is Experiment.REMOTE:
            expected = _expected(asked, replace(log, observations=tuple(seen)), log.plan, together)
        after = max(2 * asked.most - len(seen), 0)
        left = seconds_left(log.plan, asked.inventory, seen, [trial.load] * after)
        parts.observe(TrialStarted(trial=trial, number=len(seen) + 1, remaining=after, seconds=left))
        observation = workload.run(trial, _progress(parts, trial.id))
        store.add(log.id, observation)
        seen.append(observation)
        parts.observe(TrialFinished(observation=observation))
        parts.observe(Estimated(rates=rates_so_far(log.plan, asked.inventory, seen)))
    return replace(log, observations=tuple(seen)), expected


def _progress(parts: Parts, trial: str) -> Callable[[int, int], None]:
    def report(done: int, total: int) -> None:
        parts.observe(TrialProgress(trial=trial, done=done, total=total))

    return report
