"""A run as OTLP metrics in JSON: one ExportMetricsServiceRequest, as a collector's /v1/metrics takes it.

By opentelemetry-proto 1.x, metrics/v1, in the protocol's JSON mapping: lowerCamelCase names, 64-bit integers as texts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from fleet.report.export.measurements import Labels, Measurement
from fleet.report.export.tables import Exported

_NANO = 1_000_000_000


def otlp_json(exported: Exported, found: Iterable[Measurement]) -> str:
    """One line of JSON; the points' time is the run's end, as far as it is known."""
    log = exported.log
    ended = max((seen.started + seen.elapsed for seen in log.observations), default=log.created)
    resource = {"service.name": "fleet", "service.version": log.version, "fleet.run": log.id}
    request = {
        "resourceMetrics": [
            {
                "resource": {"attributes": _attributes(resource)},
                "scopeMetrics": [
                    {
                        "scope": {"name": "fleet", "version": log.version},
                        "metrics": [_metric(one, _nanoseconds(log.created), _nanoseconds(ended)) for one in found],
                    }
                ],
            }
        ]
    }
    return json.dumps(request, allow_nan=False)


def _metric(one: Measurement, begun: str, ended: str) -> dict[str, object]:
    points = [
        {
            "attributes": _attributes(labels),
            "startTimeUnixNano": begun,
            "timeUnixNano": ended,
            "asDouble": value,
        }
        for labels, value in one.points
    ]
    return {"name": one.name, "description": one.about, "unit": one.unit, "gauge": {"dataPoints": points}}


def _attributes(labels: Labels) -> list[dict[str, object]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in labels.items()]


def _nanoseconds(seconds: float) -> str:
    """Whole microseconds are what a clock tells; a float has no more of today's."""
    return str(round(seconds * 1e6) * (_NANO // 1_000_000))
