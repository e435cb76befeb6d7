"""SHELL, plug-in. Runs on disk, observation by observation: SQLite by default, PostgreSQL by URL, one schema."""

from fleet.store.open import open_catalogue, open_ledger, open_store

__all__ = ["open_catalogue", "open_ledger", "open_store"]
