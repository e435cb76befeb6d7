"""The export command: a stored run for other tools, and the dashboard over the store."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fleet.cli.idiom import speak_as
from fleet.cli.inventory import save
from fleet.cli.options import UNWRITABLE, RunName, StoreTarget
from fleet.cli.wiring import opened_store
from fleet.errors import ConfigurationError

if TYPE_CHECKING:
    from fleet.report.export.tables import Exported, Table

app = typer.Typer()


class Format(StrEnum):
    """What a run is written as."""

    CSV = "csv"
    PARQUET = "parquet"
    PROMETHEUS = "prometheus"
    OTLP = "otlp"
    SUPERBENCH = "superbench"


@app.command()
def export(
    run: RunName = "latest",
    *,
    store: StoreTarget = None,
    wanted: Annotated[Format, typer.Option("--format", help="What to write.")] = Format.CSV,
    table: Annotated[
        list[str] | None, typer.Option("--table", metavar="NAME", help="CSV and Parquet: only this table; repeatable.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="PATH", help="A file, or the folder of several tables.")
    ] = None,
    grafana: Annotated[bool, typer.Option("--grafana", help="The Grafana dashboard over a PostgreSQL store.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
) -> None:
    """Write a stored run for other tools: tables, metrics, or SuperBench's summary; no host is needed.

    Example: fleet export latest --format csv -o run
    """
    if grafana:
        save(_dashboard(), out, force=force)
        return
    _check(wanted, table or [], out)
    with opened_store(store) as kept:
        log = kept.load(run)
    speak_as(log.inventory)
    from fleet.pipeline import conclude
    from fleet.report.export.tables import Exported

    exported = Exported(log=log, report=conclude(log, None).report)
    if wanted in {Format.CSV, Format.PARQUET}:
        _write_tables(exported, wanted, table or [], out, force=force)
    else:
        save(_TEXTS[wanted](exported), out, force=force)


def _check(wanted: Format, names: Iterable[str], out: Path | None) -> None:
    """Refuse what cannot be before the store is read. ConfigurationError."""
    from fleet.report.export.tables import TABLES

    for name in names:
        if name not in TABLES:
            raise ConfigurationError(f"there is no table {name!r}", hint=f"one of: {', '.join(TABLES)}")
    if wanted not in {Format.CSV, Format.PARQUET}:
        if list(names):
            raise ConfigurationError(f"--table does not go with --format {wanted}", hint="leave it out")
        return
    if out is None and (wanted is Format.PARQUET or len(list(names)) != 1):
        raise ConfigurationError("several tables need a folder", hint="add -o FOLDER, or for one CSV --table NAME")
    if wanted is Format.PARQUET:
        _need_pyarrow()


def _write_tables(exported: Exported, wanted: Format, names: list[str], out: Path | None, *, force: bool) -> None:
    from fleet.report.export.tables import TABLES

    found = [TABLES[name](exported) for name in names or TABLES]
    if out is None:
        typer.echo(_csv(found[0]), nl=False)
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{out} is no folder that can be made: {error.strerror}") from None
    for one in found:
        target = out / f"{one.name}.{wanted}"
        if target.exists() and not force:
            raise ConfigurationError(f"{target} is there already", hint="name another folder, or --force")
    for one in found:
        target = out / f"{one.name}.{wanted}"
        try:
            if wanted is Format.CSV:
                target.write_text(_csv(one), encoding="utf-8", newline="")
            else:
                _write_parquet(one, target)
        except OSError as error:
            raise ConfigurationError(f"{target} cannot be written: {error.strerror}", hint=UNWRITABLE) from None
    rows = ", ".join(f"{one.name} {len(one.rows):,}" for one in found)
    typer.echo(f"wrote {len(found)} tables to {out}: {rows}", err=True)


def _csv(table: Table) -> str:
    """A header, then the rows (RFC 4180); what is not known is empty, true and false are so written."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(field.name for field in table.fields)
    for row in table.rows:
        writer.writerow([str(cell).lower() if isinstance(cell, bool) else cell for cell in row])
    return text.getvalue()


def _need_pyarrow() -> None:
    from importlib.util import find_spec

    if find_spec("pyarrow") is None:
        raise ConfigurationError(
            "Parquet is written with pyarrow, which is not installed", hint="pip install 'fleet[parquet]'"
        )


def _write_parquet(table: Table, target: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    types = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    columns = list(zip(*table.rows, strict=True)) or [()] * len(table.fields)
    arrays = [
        pa.array([None if cell is None else field.kind(cell) for cell in column], type=types[field.kind])
        for field, column in zip(table.fields, columns, strict=True)
    ]
    parquet.write_table(pa.table(arrays, names=[field.name for field in table.fields]), target)


def _prometheus(exported: Exported) -> str:
    from fleet.report.export.measurements import measurements
    from fleet.report.export.prometheus import prometheus_text

    return prometheus_text(measurements(exported))


def _otlp(exported: Exported) -> str:
    from fleet.report.export.measurements import measurements
    from fleet.report.export.otlp import otlp_json

    return otlp_json(exported, measurements(exported)) + "\n"


def _superbench(exported: Exported) -> str:
    from fleet.report.export.superbench import results_summary

    return results_summary(exported)


def _dashboard() -> str:
    from fleet.report.export.grafana import dashboard

    return dashboard()


_TEXTS: dict[Format, Callable[[Exported], str]] = {
    Format.PROMETHEUS: _prometheus,
    Format.OTLP: _otlp,
    Format.SUPERBENCH: _superbench,
}
