"""The file that a host's sampler appends to: bounded, private, and whole to the last block whatever happens."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from fleet.codec.text import dump_line
from fleet.errors import MeasureError
from fleet.model.samples import AgentSample, DeviceSample, HostSample, Sample
from fleet.model.wire import Spooled
from fleet.remote.paths import private
from fleet.remote.sampling.columns import lines_block, own_schema, rows_block, schema_block

FLUSH_SECONDS = 1.0
"""So long samples are gathered at most; what is sampled slower is written at once."""


class Spool:
    """Samples on their way into a file of at most `limit` bytes. MeasureError says why there will be no more."""

    def __init__(self, path: Path, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._schema = own_schema()
        self._waiting: list[Sample] = []
        self._written = time.monotonic()
        self._begun = False

    def add(self, lines: Sequence[Spooled]) -> None:
        """Take samples in, and whatever else belongs into a spool; on disk a second later at most."""
        seldom = []
        for line in lines:
            if isinstance(line, HostSample | DeviceSample | AgentSample):
                self._waiting.append(line)
            else:
                seldom.append(dump_line(line))
        if seldom or not self._begun:
            self.flush()
            self._append(lines_block(seldom) if seldom else b"")
        elif time.monotonic() - self._written >= FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        waiting, self._waiting = self._waiting, []
        self._written = time.monotonic()
        if waiting or not self._begun:
            self._append(rows_block(self._schema, waiting) if waiting else b"")

    def _append(self, data: bytes) -> None:
        try:
            if not self._begun:
                data = schema_block(self._schema) + data
                private(self._path.parent)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(self._path, flags, 0o600)
        except OSError as error:
            raise MeasureError(f"the spool {self._path} cannot be opened: {error.strerror}") from error
        try:
            self._write(descriptor, data)
        finally:
            os.close(descriptor)
        self._begun = True

    def _write(self, descriptor: int, data: bytes) -> None:
        size = os.fstat(descriptor).st_size
        if size + len(data) > self._limit:
            raise MeasureError(f"the spool {self._path} is full; no more telemetry from this host")
        try:
            if os.write(descriptor, data) < len(data):
                os.ftruncate(descriptor, size)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(descriptor, size)
            raise MeasureError(f"the spool {self._path} cannot be written: {error.strerror}") from error
