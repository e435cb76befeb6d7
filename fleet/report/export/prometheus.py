"""A run as a Prometheus text file (exposition format 0.0.4), for node_exporter's textfile collector."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fleet.report.export.measurements import Labels, Measurement

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def prometheus_text(found: Iterable[Measurement]) -> str:
    """All measurements as gauges: what a run found stays until the next one is written over it."""
    return "".join(f"{line}\n" for one in found for line in _lines(one))


def _lines(one: Measurement) -> Iterator[str]:
    yield f"# HELP {one.name} {one.about}"
    yield f"# TYPE {one.name} gauge"
    for labels, value in one.points:
        yield f"{one.name}{_written(labels)} {value!r}"


def _written(labels: Labels) -> str:
    inside = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())
    return f"{{{inside}}}" if inside else ""
