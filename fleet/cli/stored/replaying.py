"""What is said on standard error while a stored run is replayed, as the first replay on a machine takes its time."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import typer

NOTABLE = 2.0
"""Seconds after which it is said what took so long, where nobody saw the status line."""

WITHOUT = (
    "numba is not installed: the plain reference replays, with the same figures but a hundred times slower "
    "(pip install numba)"
)


@contextmanager
def replaying() -> Iterator[None]:
    """Make the twin's engine ready, then stand by while it is used; a terminal sees what goes on."""
    from fleet.twin.fast import prepare
    from fleet.ui.screen import working

    began = time.monotonic()
    with working("getting the replay engine ready (compiled once on a machine, some 10 s) …"):
        compiled = prepare()
    took = time.monotonic() - began
    if not compiled:
        typer.echo(WITHOUT, err=True)
    elif took > NOTABLE and not sys.stderr.isatty():
        typer.echo(f"the replay engine was made ready in {took:.0f} s", err=True)
    with working("replaying the run …"):
        yield
