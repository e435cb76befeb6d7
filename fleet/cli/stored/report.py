"""The report command: a stored run again, for a terminal, as JSON, Markdown, one HTML file or a PDF."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fleet.cli.idiom import speak_as
from fleet.cli.options import UNWRITABLE, AsJson, RunName, StoreTarget, Whole
from fleet.cli.stored.keeping import past_of
from fleet.cli.wiring import opened_store, show_answer
from fleet.errors import ConfigurationError, FleetError

if TYPE_CHECKING:
    from fleet.model.record import RunLog
    from fleet.model.verdict import Report
    from fleet.report.html import Assets, Dossier

app = typer.Typer()


@app.command()
def report(
    run: RunName = "latest",
    *,
    store: StoreTarget = None,
    whole: Whole = False,
    as_json: AsJson = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write one HTML file that needs nothing else.")
    ] = None,
    pdf: Annotated[Path | None, typer.Option(metavar="FILE", help="Print it to a PDF (needs Chromium).")] = None,
) -> None:
    """Analyse a stored run again and show its report; no host is needed.

    Example: fleet report latest --html report.html
    """
    from fleet.pipeline import conclude

    assets = _assets() if html or pdf else None  # before the store is read: it may be missing
    with opened_store(store) as kept:
        log = kept.load(run)
    speak_as(log.inventory)
    answer = conclude(log, None)
    if assets is None:
        show_answer(answer, as_json=as_json, markdown=markdown, whole=whole)
        return
    dossier = replace(_dossier(answer.report, log), trend=past_of(store, log, answer.report.analysis.verdict))
    if html is not None:
        _write_html(html, dossier, assets)
    if pdf is not None:
        _write_pdf(pdf, dossier, assets)
    if answer.trouble:
        raise answer.trouble


def _write_html(target: Path, dossier: Dossier, assets: Assets) -> None:
    from fleet.report.html import page
    from fleet.units import format_bytes

    text = page(dossier, assets)
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{target} cannot be written: {error.strerror}", hint=UNWRITABLE) from None
    typer.echo(f"wrote {target}: {format_bytes(len(text.encode()))}, one file that needs nothing else", err=True)


def _write_pdf(target: Path, dossier: Dossier, assets: Assets) -> None:
    from fleet.cli.stored.printing import print_page
    from fleet.report.html import page
    from fleet.units import format_bytes

    print_page(page(dossier, assets, printed=True), target)
    typer.echo(f"wrote {target}: {format_bytes(target.stat().st_size)}", err=True)


def _dossier(found: Report, log: RunLog) -> Dossier:
    """The report with what its replays say; a run that cannot be replayed has a page all the same."""
    from fleet.analyse.decide.capacity import capacity
    from fleet.analyse.foretell.simulate import simulate
    from fleet.cli.premises import planning
    from fleet.cli.stored.replaying import replaying
    from fleet.model.capacity import Goal
    from fleet.model.simulation import Change
    from fleet.report.html import Dossier
    from fleet.units import format_hertz

    with replaying():
        try:
            simulation = simulate(log, Change(), planning(), search=True)
        except FleetError as error:
            return Dossier(report=found, log=log, unasked=str(error))
        twice = 2 * simulation.now.value
        goal = Goal(text=f"twice today's rate, {format_hertz(twice)}", hz=twice)
        try:
            plants = capacity(log, goal, planning())
        except FleetError:
            plants = None
    return Dossier(report=found, log=log, simulation=simulation, capacity=plants)


def _assets() -> Assets:
    """The page's parts. ConfigurationError where the plot library is not installed."""
    from importlib.resources import files

    from fleet.report.html import Assets

    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise ConfigurationError(
            "the HTML report draws with Plotly, which is not installed", hint="pip install 'fleet[report]'"
        ) from None
    parts = files("fleet.report.html")
    return Assets(
        style=(parts / "page.css").read_text(encoding="utf-8"),
        script=(parts / "page.js").read_text(encoding="utf-8"),
        plotly=get_plotlyjs(),
    )
