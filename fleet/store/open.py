"""Which store is meant: a PostgreSQL URL, a file, or the user's own."""

from __future__ import annotations

import os
from pathlib import Path

from fleet.errors import ConfigurationError
from fleet.ports import Catalogue, Ledger, Store
from fleet.store.database import Database
from fleet.store.ledger import SqlLedger

_POSTGRES = ("postgresql://", "postgres://")


def open_store(target: str | None) -> Store:
    """The store at `postgresql://…` or in a file; None = `fleet/fleet.db` under XDG_DATA_HOME. StoreError."""
    from fleet.store.sql import SqlStore  # noqa: PLC0415 (provisioning opens a ledger alone, and is waited for)

    return SqlStore(_connect(target))


def open_ledger(target: str | None) -> Ledger:
    """The controller's copy of the hosts' journals, in the same place."""
    return SqlLedger(lambda: _connect(target))


def open_catalogue(target: str | None) -> Catalogue:
    """What is kept of the runs beside their records, in the same place."""
    from fleet.store.catalogue import SqlCatalogue  # noqa: PLC0415 (likewise)

    return SqlCatalogue(_connect(target))


def _connect(target: str | None) -> Database:
    if target is not None and target.startswith(_POSTGRES):
        from fleet.store.postgres import PostgresDatabase  # noqa: PLC0415 (psycopg is imported where it is wanted)

        return PostgresDatabase(target)
    if target is not None and "://" in target:
        raise ConfigurationError(
            f"expected a store such as runs.db or postgresql://host/name, found {target.split('://')[0]}://…"
        )
    from fleet.store.sqlite import SqliteDatabase  # noqa: PLC0415 (likewise)

    return SqliteDatabase(_expanded(target) if target else default_path())


def default_path() -> Path:
    """The user's own store, as the XDG base directory specification has it (a relative XDG_DATA_HOME is ignored)."""
    data = Path(os.environ.get("XDG_DATA_HOME", ""))
    home = data if data.is_absolute() else _expanded("~/.local/share")
    return home / "fleet" / "fleet.db"


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigurationError(f"no home folder for {path}", hint="name a file: --store PATH") from error
