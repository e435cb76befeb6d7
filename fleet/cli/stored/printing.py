"""Print a page to a PDF by a headless Chromium, where one is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from fleet.cli.options import UNWRITABLE
from fleet.errors import ConfigurationError, FleetError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LONGEST = 120.0
"""Seconds that a browser may take."""

_OPTIONS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-pdf-header-footer",
)


def print_page(page: str, target: Path) -> None:
    """Write the PDF of a page. ConfigurationError without a browser, FleetError where it fails."""
    browser = next((found for found in map(shutil.which, BROWSERS) if found), None)
    if browser is None:
        raise ConfigurationError(
            "a PDF is printed by Chromium, which is not installed",
            hint="install chromium, or write --html and print it from any browser",
        )
    with tempfile.TemporaryDirectory(prefix="fleet-pdf-", ignore_cleanup_errors=True) as folder:
        source, printed = Path(folder, "report.html"), Path(folder, "report.pdf")
        source.write_text(page, encoding="utf-8")
        said = _run(browser, Path(folder, "profile"), source, printed)
        if not printed.is_file():
            last = (said.strip().splitlines() or ["it said nothing"])[-1]
            raise FleetError(f"{browser} printed no PDF: {last}")
        try:
            shutil.copyfile(printed, target)
        except OSError as error:
            raise ConfigurationError(f"{target} cannot be written: {error.strerror}", hint=UNWRITABLE) from None


def _run(browser: str, profile: Path, source: Path, printed: Path) -> str:
    # Chromium's sandbox does not start as root; the page is ours and its policy lets nothing in.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    command = [browser, *_OPTIONS, *sandbox, f"--user-data-dir={profile}", f"--print-to-pdf={printed}", source.as_uri()]
    try:
        done = subprocess.run(command, capture_output=True, timeout=LONGEST, check=False)
    except subprocess.TimeoutExpired:
        raise FleetError(f"{browser} did not finish within {LONGEST:.0f} s") from None
    return done.stderr.decode(errors="replace")
