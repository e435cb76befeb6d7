"""Commands over SuperBench's files: diagnosis of results by its rules. No host is touched."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fleet.cli.inventory import save

if TYPE_CHECKING:
    from fleet.analyse.diagnosis import Defect

app = typer.Typer(
    name="superbench", help="SuperBench's results and rules, without evaluating anything.", no_args_is_help=True
)


JUDGING = 10.0
"""Seconds for all rules over all hosts; a thousand hosts with 200 metrics each take about one."""


class Format(StrEnum):
    """What a diagnosis is written as."""

    TEXT = "text"
    JSONL = "jsonl"
    JSON = "json"
    MARKDOWN = "md"
    HTML = "html"


@app.callback()
def _group() -> None:
    pass


@app.command()
def diagnose(
    results: Annotated[Path, typer.Argument(metavar="RESULTS", help="A results-summary.jsonl.")],
    *,
    rules: Annotated[Path, typer.Option("--rules", metavar="FILE", help="Diagnosis rules, SuperBench's YAML.")],
    baseline: Annotated[
        Path | None, typer.Option("--baseline", metavar="FILE", help="Figures to compare with, JSON.")
    ] = None,
    wanted: Annotated[Format, typer.Option("--format", help="A page, or SuperBench's own files.")] = Format.TEXT,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write it here.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Find the hosts whose figures break the rules; exit code 3 where there are any.

    Example: fleet superbench diagnose results-summary.jsonl --rules rules.yaml --baseline baseline.json
    """
    from fleet.analyse.diagnosis import diagnose as judged
    from fleet.codec.superbench import load_baseline, load_results, load_rules
    from fleet.errors import ConfigurationError, HostError
    from fleet.remote.limit import limited
    from fleet.report.screens.diagnosis import diagnosis_lines
    from fleet.ui import screen

    kept = load_rules(str(rules))
    figures = load_baseline(str(baseline)) if baseline else {}
    nodes = load_results(str(results))
    try:
        with limited(JUDGING, f"{rules}: which metrics its rules are about was not found"):
            found = judged(nodes, kept, figures)
    except TimeoutError as error:
        raise ConfigurationError(str(error)) from None
    if wanted is Format.TEXT and out is None:
        screen.show(diagnosis_lines(found, len(nodes), screen.width_of()))
    elif wanted is Format.TEXT:
        save("".join(f"{line.text}\n" for line in diagnosis_lines(found, len(nodes), 100)), out, force=force)
    else:
        save(_written(found, wanted), out, force=force)
    if found:
        raise typer.Exit(HostError.exit_code)


def _written(found: Sequence[Defect], wanted: Format) -> str:
    """The diagnosis as one of SuperBench's files."""
    from importlib.resources import files

    from fleet.report.export.diagnosis import diagnosis_html, diagnosis_json, diagnosis_jsonl, diagnosis_markdown

    if wanted is Format.HTML:
        return diagnosis_html(found, (files("fleet.report.html") / "page.css").read_text(encoding="utf-8"))
    write = {Format.JSONL: diagnosis_jsonl, Format.JSON: diagnosis_json, Format.MARKDOWN: diagnosis_markdown}[wanted]
    return write(found)
