"""The guide's box as a report: two cards that give 1.63 of one, and a remote worker that scales. For several tests."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from hypothesis import strategies as st

from fleet.model.anatomy import Share
from fleet.model.estimate import Estimate
from fleet.model.inventory import Per, Price
from fleet.model.record import JobRecord, Observation, Outcome, TaskKind, TaskRecord, TaskState
from fleet.model.trial import AgentSpec, Experiment, Layout, Load, Trial
from fleet.model.verdict import (
    Analysis,
    Bottleneck,
    Choice,
    Evidence,
    Option,
    Reason,
    Refusal,
    Report,
    Scaling,
    Throughput,
    Verdict,
)

T = TypeVar("T")


def layout(*places: str, agents: int = 1, po2: int = 20) -> Layout:
    """`agents` agents on each `host/device`."""
    pairs = sorted(tuple(place.split("/")) for place in places)
    specs = tuple(AgentSpec(host=host, device=device, slot=slot) for host, device in pairs for slot in range(agents))
    return Layout(agents=specs, po2=po2)


def khz(value: float, low: float, high: float, n: int = 3) -> Estimate:
    return Estimate(value=value * 1e3, low=low * 1e3, high=high * 1e3, n=n, unit="Hz")


ONE = layout("box/gpu0")
BOX = layout("box/gpu0", "box/gpu1")
FAR = layout("far/gpu0")
BOX_AND_FAR = layout("box/gpu0", "box/gpu1", "far/gpu0")
GAIN = Estimate(value=0.60, low=0.55, high=0.65, n=3, unit="ratio")
WORKER = Price(amount=2600.0, per=Per.ONCE)
GPU = Price(amount=1800.0, per=Per.ONCE)

THROUGHPUTS = (
    Throughput(layout=BOX_AND_FAR, experiments=(Experiment.CONFIRM,), jobs=1, iterations=4096, hz=khz(690, 679, 701)),
    Throughput(layout=ONE, experiments=(Experiment.GPUS,), jobs=1, iterations=4096, hz=khz(264.9, 260, 270)),
    Throughput(
        layout=BOX,
        experiments=(Experiment.BASELINE, Experiment.GPUS),
        jobs=1,
        iterations=4096,
        hz=khz(431.4, 425.2, 437.6, 4),
    ),
    Throughput(layout=FAR, experiments=(Experiment.REMOTE,), jobs=1, iterations=4096, hz=khz(258.1, 252.9, 263.3)),
    Throughput(layout=BOX, experiments=(Experiment.BASELINE,), jobs=3, iterations=2048, hz=khz(452.7, 449, 456.4, 2)),
)

OPTIONS = (
    Option(
        choice=Choice.TUNE,
        label="2 agents on each GPU at po2 19",
        evidence=Evidence.MEASURED,
        gain=Estimate(value=-0.021, low=-0.034, high=-0.008, n=3, unit="ratio"),
        cost=None,
        best=0.0,
    ),
    Option(
        choice=Choice.ADD_GPU,
        label="A third GPU in box",
        evidence=Evidence.PREDICTED,
        gain=Estimate(value=0.081, low=0.02, high=0.14, n=0, unit="ratio"),
        cost=GPU,
        best=0.01,
        blocked="box has no free slot",
    ),
    Option(
        choice=Choice.ADD_REMOTE_WORKER,
        label="One remote worker like far beside box",
        evidence=Evidence.MEASURED,
        gain=GAIN,
        cost=WORKER,
        best=0.99,
        layout=BOX_AND_FAR,
    ),
)

REFUSED = (
    Refusal(
        trial="3fa9c1d20b7e",
        label="box×2, 1 agent each, po2 22",
        code="out_of_memory",
        seen="box/gpu0#0: called `Result::unwrap()` on an `Err` value: OutOfMemory",
        cure="stay at po2 21 or below on 16 GB cards",
    ),
    Refusal(
        trial="77d0aa01c3f4",
        label="box×2, 1 agent each, po2 22",
        code="out_of_memory",
        seen="box/gpu0#0: called `Result::unwrap()` on an `Err` value: OutOfMemory",
        cure="stay at po2 21 or below on 16 GB cards",
    ),
    Refusal(
        trial="0c44e9b8d1aa",
        label="box×2 + far×1, 1 agent each, po2 20",
        code="retried",
        seen="prove task 17 ran twice",
        cure="raise PROVE_TIMEOUT above 30 s, then measure again",
    ),
)

GUIDE = Report(
    run="20260731-101500-7c1e",
    created=1_785_492_900.0,
    version="0.1.0",
    inventory="lab",
    emulated=True,
    time_scale=20.0,
    currency="USD",
    hosts=("box", "far"),
    failures=("far2 (survey): connection refused; start sshd there or take it out of the inventory",),
    trials=19,
    seed=7,
    seconds=196.4,
    current=BOX,
    analysis=Analysis(
        verdict=Verdict(
            choice=Choice.ADD_REMOTE_WORKER,
            label="Add a remote worker like far beside box",
            confidence=0.99,
            gain=GAIN,
            cost=WORKER,
            bottleneck=Bottleneck(
                code="bus",
                text="The two cards of box wait for each other on its bus",
                evidence=("a prove task takes 1.17× as long with both cards busy", "bus busy 0.93 of the time"),
            ),
            reasons=(
                Reason(
                    code="in_box_scaling",
                    text="A second card in the box brings 1.63×, where 1.90× was possible",
                    evidence=("264.9 kHz on one", "431.4 kHz on two"),
                ),
                Reason(
                    code="remote_scales",
                    text="A remote worker keeps 97 % of its own speed",
                    evidence=("258.1 kHz against 264.9 kHz",),
                ),
                Reason(code="no_free_slot", text="A third card does not fit into box"),
            ),
            needs=("measure with two remote workers, to see where the executor begins to bind",),
        ),
        options=OPTIONS,
        throughputs=THROUGHPUTS,
        scalings=(
            Scaling(
                base=ONE,
                layout=BOX,
                devices=2,
                speedup=Estimate(value=1.628, low=1.6, high=1.66, n=3, unit="ratio"),
                ideal=1.9,
                efficiency=0.857,
                karp_flatt=0.228,
                inflation=1.17,
            ),
            Scaling(
                base=BOX,
                layout=BOX_AND_FAR,
                devices=3,
                speedup=Estimate(value=1.6, low=1.55, high=1.65, n=3, unit="ratio"),
                ideal=1.66,
                efficiency=0.964,
                karp_flatt=None,
                inflation=None,
            ),
        ),
        shares=(Share(layout=BOX, busy=0.83, dispatch=0.021, graph=0.149),),
        ceilings=(("box/gpu0", 21), ("far/gpu0", 21)),
        refused=REFUSED,
        caveats=("The price of a worker was stated per machine; power and rent are not in it.",),
        not_measured=("a third card in box (predicted from the bus's share)", "more than one remote worker"),
    ),
)

REAL = replace(GUIDE, emulated=False, time_scale=1.0)

UNDECIDED = replace(
    REAL,
    current=None,
    failures=(),
    analysis=Analysis(
        verdict=Verdict(
            choice=Choice.INCONCLUSIVE,
            label="Nothing is decided: one trial of each layout is not enough",
            confidence=0.4,
            gain=None,
            cost=None,
            bottleneck=Bottleneck(code="unknown", text="not known yet"),
            reasons=(),
            needs=("run `fleet bench` again with at least 3 repeats",),
        ),
        options=(),
        throughputs=(),
        scalings=(),
        shares=(),
        ceilings=(),
        refused=(),
        caveats=(),
        not_measured=(),
    ),
)

# Any report at all, for properties that must hold whatever analysis and hosts say.

WORDS = st.text(max_size=40)
FINITE = st.floats(min_value=-1e12, max_value=1e12)
SHARES = st.floats(min_value=0, max_value=1)
COUNTS = st.integers(min_value=1, max_value=10**6)
ENDS = FINITE | st.sampled_from([float("inf"), float("-inf")])
ESTIMATES = st.builds(Estimate, value=FINITE, low=ENDS, high=ENDS, n=st.integers(0, 99), unit=WORDS)
PRICES = st.builds(Price, amount=st.floats(min_value=0, max_value=1e9), per=st.sampled_from(Per))
SPECS = st.builds(AgentSpec, host=WORDS, device=WORDS, slot=st.integers(0, 3))
LAYOUTS = st.builds(
    Layout,
    agents=st.lists(SPECS, min_size=1, max_size=4, unique=True).map(sorted).map(tuple),
    po2=st.integers(14, 24),
)


def some(strategy: st.SearchStrategy[T], most: int = 3) -> st.SearchStrategy[tuple[T, ...]]:
    return st.lists(strategy, max_size=most).map(tuple)


OPTIONALS = {"gain": st.none() | ESTIMATES, "cost": st.none() | PRICES}
ANY_OPTION = st.builds(
    Option,
    choice=st.sampled_from(Choice),
    label=WORDS,
    evidence=st.sampled_from(Evidence),
    best=SHARES,
    layout=st.none() | LAYOUTS,
    blocked=st.none() | WORDS,
    **OPTIONALS,
)
ANY_VERDICT = st.builds(
    Verdict,
    choice=st.sampled_from(Choice),
    label=WORDS,
    confidence=SHARES,
    bottleneck=st.builds(Bottleneck, code=WORDS, text=WORDS, evidence=some(WORDS)),
    reasons=some(st.builds(Reason, code=WORDS, text=WORDS, evidence=some(WORDS))),
    needs=some(WORDS),
    **OPTIONALS,
)
ANY_THROUGHPUT = st.builds(
    Throughput,
    layout=LAYOUTS,
    experiments=some(st.sampled_from(Experiment)),
    jobs=st.integers(1, 3),
    iterations=COUNTS,
    hz=ESTIMATES,
)
ANY_SCALING = st.builds(
    Scaling,
    base=LAYOUTS,
    layout=LAYOUTS,
    devices=COUNTS,
    speedup=ESTIMATES,
    ideal=FINITE,
    efficiency=FINITE,
    karp_flatt=st.none() | FINITE,
    inflation=st.none() | FINITE,
)
ANY_ANALYSIS = st.builds(
    Analysis,
    verdict=ANY_VERDICT,
    options=some(ANY_OPTION),
    throughputs=some(ANY_THROUGHPUT),
    scalings=some(ANY_SCALING),
    shares=some(st.builds(Share, layout=LAYOUTS, busy=SHARES, dispatch=SHARES, graph=SHARES)),
    ceilings=some(st.tuples(WORDS, st.integers(14, 24))),
    refused=some(st.builds(Refusal, trial=WORDS, label=WORDS, code=WORDS, seen=WORDS, cure=WORDS)),
    caveats=some(WORDS),
    not_measured=some(WORDS),
)
ANY_REPORT = st.builds(
    Report,
    run=WORDS,
    created=st.floats(min_value=0, max_value=4e9),
    version=WORDS,
    inventory=WORDS,
    emulated=st.booleans(),
    time_scale=st.floats(min_value=0.01, max_value=1e3),
    currency=WORDS,
    hosts=some(WORDS),
    failures=some(WORDS),
    trials=st.integers(0, 999),
    seed=st.integers(),
    seconds=st.floats(min_value=0, max_value=1e6),
    analysis=ANY_ANALYSIS,
    current=st.none() | LAYOUTS,
)


# One job as the driver would report it, for observations.


def observation(
    where: Layout,
    hz: float,
    *,
    experiment: Experiment = Experiment.BASELINE,
    repeat: int = 0,
    emulated: bool = True,
    jobs: int = 1,
) -> Observation:
    """An observation of one trial that ran at `hz`."""
    cycles = 33 * 2**20
    seconds = cycles * jobs / hz
    execute = TaskRecord(
        id="init",
        kind=TaskKind.EXECUTE,
        state=TaskState.DONE,
        prerequisites=(),
        created=0.0,
        started=0.0,
        updated=seconds,
    )
    job = JobRecord(
        id="job", state=TaskState.DONE, segments=33, user_cycles=cycles, total_cycles=cycles, tasks=(execute,)
    )
    return Observation(
        trial=trial(where, experiment=experiment, repeat=repeat, jobs=jobs),
        outcome=Outcome.OK,
        started=1_785_492_900.0,
        elapsed=6.5,
        emulated=emulated,
        jobs=(job,) * jobs,
    )


def failed(where: Layout, outcome: Outcome, *, experiment: Experiment = Experiment.BASELINE) -> Observation:
    """An observation of a trial that gave no figure."""
    return Observation(
        trial=trial(where, experiment=experiment),
        outcome=outcome,
        started=1_785_492_900.0,
        elapsed=2.0,
        emulated=True,
        cause="agent box/gpu0#0: OutOfMemory",
    )


def trial(where: Layout, *, experiment: Experiment = Experiment.BASELINE, repeat: int = 0, jobs: int = 1) -> Trial:
    """A trial of the layout."""
    return Trial(experiment=experiment, layout=where, load=Load(iterations=4096, jobs=jobs), repeat=repeat, seed=7)
