"""The one version of Ray that fleet knows, and the settings with which all parts of a cluster are started."""

from __future__ import annotations

RAY_VERSION = "2.60.0"

SETTINGS = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_enable_metrics_collection": "0",
    "RAY_task_events_report_interval_ms": "0",
    "RAY_prestart_worker_first_driver": "0",
}
"""Ray's own environment variables; the token (RAY_AUTH_TOKEN) comes with the configuration."""

NODE_SETTINGS = {**SETTINGS, "RAY_BACKEND_LOG_LEVEL": "warning"}
"""Those of a node, whose log files would fill with dumps of its state. A driver would tell stderr that it is set."""
