"""The file that a host's sampler appends to: bounded, private, and whole to the last block whatever happens."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from fleet.codec.text import dump_line
from fleet.errors import MeasureError
from fleet.model.samples import Sample
from fleet.model.wire import Spooled
from fleet.remote.paths import private
from fleet.remote.sampling.columns import Rows, lines_block, own_schema, rows_block, schema_block


class Spool:
    """A file of at most `limit` bytes for a host's samples. MeasureError says why there will be no more."""

    def __init__(self, path: Path, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._schema = own_schema()
        self._begun = False

    def add(self, samples: Sequence[Sample], lines: Sequence[Spooled] = (), rows: Sequence[Rows] = ()) -> None:
        """Write these samples as one block, `rows` being more of them, and whatever else belongs into a spool after."""
        data = rows_block(self._schema, samples, rows) if samples or rows else b""
        if lines:
            data += lines_block([dump_line(line) for line in lines])
        if data or not self._begun:
            self._append(data)

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
