"""The report as one HTML file for people who were not there. Pure: values in, text out."""

from fleet.report.html.dossier import Assets, Dossier
from fleet.report.html.page import page

__all__ = ["Assets", "Dossier", "page"]
