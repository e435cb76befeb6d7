"""Commands that measure hosts: bench, plan."""

from __future__ import annotations

from typing import Annotated

import typer

from fleet.cli.hosts.checkups import AskSudo
from fleet.cli.options import (
    AimedAt,
    AsJson,
    Backend,
    InventoryFile,
    Measure,
    PlaybookFile,
    Seed,
    StoreTarget,
    Whole,
)
from fleet.cli.stored.compare import FailOn, Strict
from fleet.cli.stored.regression import Against, asked, remember
from fleet.cli.stored.regression import answer as answer_question
from fleet.cli.wiring import Wishes, opened_ledger, opened_store, road, show_answer

app = typer.Typer()


@app.command()
def bench(  # noqa: PLR0913 (each is one option of the command)
    inventory: InventoryFile,
    *,
    store: StoreTarget = None,
    whole: Whole = False,
    as_json: AsJson = False,
    iterations: Annotated[
        int | None, typer.Option("-c", "--iterations", min=1, help="The load, as `bento_cli -c` (the inventory's).")
    ] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="RUN", help="Go on with an interrupted run, under its own plan.")
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="Measure at most this many trials.")] = 32,
    minutes: Annotated[float, typer.Option(min=0.1, help="Measure at most this long.")] = 30.0,
    money: Annotated[
        float | None, typer.Option(min=0, help="Spend at most so much on hosts with a price per hour (any).")
    ] = None,
    repeats: Annotated[int, typer.Option(min=2, help="Trials of each layout that matters.")] = 3,
    goal: AimedAt = Measure.LATENCY,
    seed: Seed = 1,
    playbook: PlaybookFile = None,
    ask_sudo: AskSudo = False,
    isolate: Annotated[
        bool, typer.Option("--isolate", help="Stop a Bento's broker and miner meanwhile; they are started again.")
    ] = False,
    backend: Backend = "auto",
    against: Against = None,
    fail_on: FailOn = None,
    strict: Strict = False,
) -> None:
    """Measure the fleet and say what to do next.

    Example: fleet bench inventory/lab.yaml
    """
    from fleet.pipeline import bench as run

    wishes = Wishes(
        trials=trials,
        minutes=minutes,
        repeats=repeats,
        seed=seed,
        iterations=iterations,
        playbook=playbook,
        backend=backend,
        resume=resume,
        goal=goal.value,
        money=money,
        ask_sudo=ask_sudo,
        isolate=isolate,
    )
    with opened_store(store) as kept, opened_ledger(store) as ledger:
        question = asked(kept, against, fail_on, strict=strict)
        with road(inventory, kept, wishes, ledger) as (parts, request):
            answer = run(parts, request, kept)
        remember(kept, store, answer.report)
    show_answer(answer, as_json=as_json, whole=whole)
    if question is not None:
        answer_question(question, store, answer.report.run, as_json=as_json)


@app.command()
def plan(
    inventory: InventoryFile,
    *,
    goal: AimedAt = Measure.LATENCY,
    seed: Seed = 1,
    playbook: PlaybookFile = None,
    backend: Backend = "auto",
) -> None:
    """Show what would be measured and what provisioning would change; touch nothing.

    Example: fleet plan inventory/lab.yaml
    """
    from fleet.pipeline import preview
    from fleet.ui import screen

    with road(inventory, None, Wishes(seed=seed, playbook=playbook, backend=backend, goal=goal.value)) as (
        parts,
        request,
    ):
        shown = preview(parts, request)
    screen.show_survey(shown.survey)
    screen.show_plan(shown.plan, request.inventory)
    screen.show_steps(shown.steps)
