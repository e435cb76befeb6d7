"""A run as the screens see it: events from the lab to the analysis. For several tests."""

from __future__ import annotations

from report_samples import BOX, BOX_AND_FAR, ONE, failed, observation, trial

from fleet.model.estimate import Estimate
from fleet.model.event import (
    Estimated,
    Event,
    HostFailed,
    Note,
    Planned,
    Rate,
    StageFinished,
    StageStarted,
    StepDone,
    Surveyed,
    TrialFinished,
    TrialProgress,
    TrialStarted,
)
from fleet.model.facts import ClockOffset, Facts, Failure, Survey
from fleet.model.playbook import StepReport, StepState
from fleet.model.record import Outcome
from fleet.model.trial import Budget, Experiment, Load, Plan

EVIL = "[bold red]x[/] \x1b[2J\x1b]0;pwned\x07\nnext line"
"""What a hostile host might say: markup, a cleared screen, a new title, a second line."""


def facts(host: str) -> Facts:
    return Facts(
        host=host,
        system="Linux",
        kernel="6.8.0",
        cpu_model="AMD EPYC 7763",
        cores=16,
        memory=64 * 2**30,
        disk_free=2**40,
        python="3.11.7",
        ray="2.60.0",
        fleet="0.1.0",
        gpus=("RTX 4080 (16 GiB)",),
    )


FAILURE = Failure(host="far2", stage="survey", message="connection refused on port 2222", hint="start sshd there")
SURVEY = Survey(
    facts=(facts("box"), facts("far")),
    offsets=(ClockOffset(host="box", offset=0.0012, error=0.0004),),
    failures=(FAILURE,),
)
PLAN = Plan(
    run="run-1",
    current=BOX,
    load=Load(iterations=4096),
    budget=Budget(),
    seed=7,
    hosts=("box", "far"),
    assumed=("gpu price",),
)
RIGHT = StepReport(host="box", step="work directory", state=StepState.RIGHT)
CHANGED = StepReport(host="far", step="python environment", state=StepState.CHANGED, summary="made the venv")
BROKEN = StepReport(host="far", step=EVIL, state=StepState.FAILED, summary="pip failed", detail=EVIL)

PROBE = trial(ONE, experiment=Experiment.CEILING)
FIRST = trial(BOX)
SECOND = trial(BOX_AND_FAR, experiment=Experiment.REMOTE)
LAST = observation(BOX_AND_FAR, 690e3, experiment=Experiment.REMOTE)

NOW = Rate(
    layout=BOX,
    hz=Estimate(value=431.4e3, low=410e3, high=455e3, n=1, unit="Hz"),
    gain=None,
    in_service=True,
    emulated=True,
)
FASTER = Rate(
    layout=BOX_AND_FAR,
    hz=Estimate(value=690e3, low=671e3, high=709.1e3, n=1, unit="Hz"),
    gain=Estimate(value=0.6, low=0.51, high=0.69, n=1, unit=""),
    in_service=False,
    emulated=True,
)

EVENTS: tuple[Event, ...] = (
    StageStarted(stage="lab"),
    StageFinished(stage="lab", detail="3 hosts on this machine"),
    StageStarted(stage="survey"),
    HostFailed(failure=FAILURE),
    Surveyed(survey=SURVEY),
    StageFinished(stage="survey", detail="2 of 3 hosts"),
    StageStarted(stage="plan"),
    Planned(plan=PLAN),
    StageFinished(stage="plan"),
    StageStarted(stage="provision"),
    StepDone(report=RIGHT),
    StepDone(report=CHANGED),
    StepDone(report=BROKEN),
    StageFinished(stage="provision", detail="1 changed, 1 right"),
    StageStarted(stage="cluster"),
    StageFinished(stage="cluster", detail="2 nodes"),
    StageStarted(stage="measure"),
    TrialStarted(trial=PROBE, number=1, remaining=2, seconds=None),
    TrialFinished(observation=failed(ONE, Outcome.OUT_OF_MEMORY, experiment=Experiment.CEILING)),
    TrialStarted(trial=FIRST, number=2, remaining=1, seconds=120.0),
    TrialProgress(trial=FIRST.id, done=10, total=40),
    TrialProgress(trial=FIRST.id, done=20, total=40),
    TrialFinished(observation=observation(BOX, 431.4e3)),
    Estimated(rates=(NOW,)),
    TrialStarted(trial=SECOND, number=3, remaining=0, seconds=0.0),
    TrialProgress(trial=SECOND.id, done=30, total=60),
    TrialFinished(observation=LAST),
    Estimated(rates=(FASTER, NOW)),
    Note(text="going on without far2", warning=True),
    StageFinished(stage="measure", detail="3 trials"),
    StageStarted(stage="analyse"),
    StageFinished(stage="analyse"),
)
