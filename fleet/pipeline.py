"""The stages in order: survey, plan, provision, measure, analyse, report. Straight-line code and the error policy.

A failing host is listed and left out as long as the head works; the report is made all the same and `trouble` says
what was missing. What was measured is stored at once; when the store itself fails, measuring stops and what is in
memory is still analysed and shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from fleet import __version__
from fleet.analyse import analyse
from fleet.errors import FleetError, HostError, MeasureError, ProvisionError, StoreError
from fleet.measure.loop import measure
from fleet.model.event import Note, Planned, StageFinished, StageStarted, Surveyed
from fleet.model.facts import Failure, Survey
from fleet.model.inventory import Host, Inventory
from fleet.model.playbook import Playbook, StepReport, StepState
from fleet.model.record import Observation, Outcome, RunLog
from fleet.model.trial import Budget, Experiment, Goal, Plan
from fleet.model.verdict import Report
from fleet.plan.trials.make import make_plan
from fleet.ports import Clock, Ledger, Observer, Store, Transport, Workload
from fleet.provision.agents import needs_ray
from fleet.provision.apply import Terms, apply
from fleet.provision.survey import check_versions, survey
from fleet.report.build import build

WorkloadMaker = Callable[[Sequence[Host], Survey], Workload]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The adapters that the stages work with, picked by the command line.

    `ledger`: where the controller's copy of the hosts' journals is kept; None = the hosts alone keep one.
    """

    transport: Transport
    workload: WorkloadMaker
    observe: Observer
    clock: Clock
    ledger: Ledger | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the operator asked for. `reached`: the inventory with what it takes to reach lab hosts filled in.

    `resume`: the interrupted run to go on with; its plan is kept.
    """

    run: str
    inventory: Inventory
    reached: Inventory
    playbook: Playbook
    budget: Budget
    seed: int
    resume: RunLog | None = None
    goal: Goal = Goal.LATENCY


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The report, and what went wrong on the way to it (None = nothing)."""

    report: Report
    trouble: FleetError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What `fleet plan` shows: the plan, and what provisioning would change. Nothing was touched."""

    plan: Plan
    survey: Survey
    steps: tuple[StepReport, ...]


def preview(parts: Parts, request: Request) -> Preview:
    """Survey and plan, and ask every step's question, without changing anything."""
    surveyed = _survey(parts, request)
    plan = _plan(request, surveyed)
    steps = provision(parts, request, surveyed, dry_run=True)
    return Preview(plan=plan, survey=surveyed, steps=steps)


def bench(parts: Parts, request: Request, store: Store) -> Answer:
    """Drive the whole road and answer. HostError, ProvisionError or MeasureError where the head itself fails."""
    surveyed = _survey(parts, request)
    _plan(request, surveyed)  # what cannot be planned is refused before any host is changed
    steps = provision(parts, request, surveyed, dry_run=False)
    surveyed = _without(request, surveyed, _step_failures(steps))
    if any(step.state is StepState.CHANGED for step in steps):
        surveyed = _again(parts, request, surveyed)
    if needs_ray(request.inventory):
        surveyed = _without(request, surveyed, check_versions(surveyed, request.inventory.head.name))
    log, trouble = _measure(parts, request, store, surveyed)
    with stage(parts.observe, "analyse"):
        return conclude(log, trouble)


def conclude(log: RunLog, trouble: FleetError | None) -> Answer:
    """Analyse what is there and make the report."""
    return Answer(report=build(log, analyse(log)), trouble=trouble or _shortfall(log))


def provision(parts: Parts, request: Request, surveyed: Survey, *, dry_run: bool) -> tuple[StepReport, ...]:
    """Apply the playbook to the hosts that answered, or ask only; what failed stays in the reports."""
    hosts = _usable(request.reached, surveyed)
    terms = Terms(inventory=request.inventory.name, ledger=parts.ledger, fleet=request.reached.hosts)
    with stage(parts.observe, "provision") as say:
        reports = apply(parts.transport, request.playbook, hosts, parts.observe, dry_run=dry_run, terms=terms)
        say(_count(reports))
    return reports


def _survey(parts: Parts, request: Request) -> Survey:
    with stage(parts.observe, "survey") as say:
        wanted = tuple(host for host in request.reached.hosts if not host.drained)
        surveyed = survey(parts.transport, replace(request.reached, hosts=wanted), parts.observe, parts.clock)
        parts.observe(Surveyed(survey=surveyed))
        _need_head(request.inventory, surveyed)
        say(f"{len(surveyed.facts)} of {len(request.inventory.hosts)} hosts")
    return surveyed


def _again(parts: Parts, request: Request, before: Survey) -> Survey:
    """Look again at the hosts that are left after provisioning: versions may have changed."""
    left = tuple(host for host in request.reached.hosts if host.name in {facts.host for facts in before.facts})
    after = survey(parts.transport, replace(request.reached, hosts=left), parts.observe, parts.clock)
    found = replace(after, failures=(*before.failures, *after.failures))
    _need_head(request.inventory, found)
    return found


def _plan(request: Request, surveyed: Survey) -> Plan:
    if request.resume is not None:
        return request.resume.plan
    return make_plan(
        request.inventory,
        surveyed,
        run=request.run,
        seed=request.seed,
        budget=request.budget,
        goal=request.goal,
        experiments=tuple(Experiment),
    )


def _measure(parts: Parts, request: Request, store: Store, surveyed: Survey) -> tuple[RunLog, FleetError | None]:
    hosts = _usable(request.reached, surveyed)
    with ExitStack() as stack:
        with stage(parts.observe, "cluster") as say:
            workload = stack.enter_context(parts.workload(hosts, surveyed))
            say(f"{len(workload.alive())} nodes")
        silent = tuple(
            Failure(host=host.name, stage="cluster", message="its node did not come up")
            for host in hosts
            if host.name not in workload.alive()
        )
        log = _begin(parts, request, store, _without(request, surveyed, silent))
        return _collect(parts, store, workload, log)


def _begin(parts: Parts, request: Request, store: Store, surveyed: Survey) -> RunLog:
    if request.resume is not None:
        return replace(request.resume, survey=surveyed)
    log = RunLog(
        id=request.run,
        created=parts.clock.now(),
        version=__version__,
        inventory=request.inventory,
        survey=surveyed,
        plan=_plan(request, surveyed),
    )
    parts.observe(Planned(plan=log.plan))
    store.create(log)
    store.claim(log.id)
    return log


def _collect(parts: Parts, store: Store, workload: Workload, log: RunLog) -> tuple[RunLog, FleetError | None]:
    kept = list(log.observations)

    def keep(observation: Observation) -> None:
        kept.append(observation)
        store.add(log.id, observation)

    trouble: FleetError | None = None
    try:
        with stage(parts.observe, "measure") as say:
            measure(log.plan, log.inventory, workload, history=log.observations, keep=keep, observe=parts.observe)
            say(f"{len(kept)} trials")
        store.finish(log.id)
    except (StoreError, MeasureError) as error:
        if not kept:
            raise
        trouble = error
        parts.observe(Note(text=f"measuring stopped: {error}", warning=True))
    return replace(log, observations=tuple(kept), finished=trouble is None), trouble


def _without(request: Request, surveyed: Survey, failures: Sequence[Failure]) -> Survey:
    """The survey with these hosts moved to the failures. HostError or ProvisionError when the head is among them."""
    lost = {failure.host for failure in failures}
    rest = Survey(
        facts=tuple(facts for facts in surveyed.facts if facts.host not in lost),
        offsets=tuple(offset for offset in surveyed.offsets if offset.host not in lost),
        failures=(*surveyed.failures, *failures),
    )
    _need_head(request.inventory, rest)
    return rest


def _need_head(inventory: Inventory, surveyed: Survey) -> None:
    """Raise what stopped the head, if anything did: without it nothing can be measured."""
    for failure in surveyed.failures:
        if failure.host == inventory.head.name:
            error = ProvisionError if failure.stage == "provision" else HostError
            raise error(failure.message, host=failure.host, hint=failure.hint)


def _step_failures(steps: Sequence[StepReport]) -> tuple[Failure, ...]:
    return tuple(
        Failure(host=step.host, stage="provision", message=f"{step.step}: {step.summary}", hint=step.detail or None)
        for step in steps
        if step.state is StepState.FAILED
    )


def _usable(inventory: Inventory, surveyed: Survey) -> tuple[Host, ...]:
    found = {facts.host for facts in surveyed.facts}
    return tuple(host for host in inventory.hosts if host.name in found)


def _shortfall(log: RunLog) -> FleetError | None:
    """What keeps a finished run from exit code 0."""
    if not any(observation.outcome is Outcome.OK for observation in log.observations):
        causes = {observation.cause or observation.outcome.value for observation in log.observations}
        return MeasureError(f"no trial went well: {'; '.join(sorted(causes)) or 'none was run'}")
    return _missing(log.survey)


def _missing(surveyed: Survey) -> HostError | None:
    if not surveyed.failures:
        return None
    names = ", ".join(sorted({failure.host for failure in surveyed.failures}))
    return HostError(f"left out: {names}", hint="the failures listed above say why")


def _count(reports: Sequence[StepReport]) -> str:
    counts = {state: sum(report.state is state for report in reports) for state in StepState}
    return ", ".join(f"{count} {state.value.replace('_', ' ')}" for state, count in counts.items() if count)


@contextmanager
def stage(observe: Observer, name: str) -> Iterator[Callable[[str], None]]:
    """Announce a stage and, when it ends well, its result."""
    result = [""]
    observe(StageStarted(stage=name))
    yield lambda text: result.__setitem__(0, text)
    observe(StageFinished(stage=name, detail=result[0]))
