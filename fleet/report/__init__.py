"""Say it: one Report value, rendered for a terminal, as Markdown and as JSON. Pure; the screen is fleet/ui's."""

from fleet.report.jsonreport import schema, to_json, to_object
from fleet.report.markdown import markdown
from fleet.report.terminal import screen

__all__ = ["markdown", "schema", "screen", "to_json", "to_object"]
