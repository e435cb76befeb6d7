"""A real headless Chromium, and the report of a planted campaign written by the command, as files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest
from report_pages import dossier, hostile
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from fleet.cli.stored.keeping import keep, opened_catalogue
from fleet.store import open_store

Browser = Callable[..., Chrome]
DAY = 86400.0

_OPTIONS = (
    "--headless",
    "--no-sandbox",  # it is root's, in CI
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


@pytest.fixture(scope="session")
def programs() -> tuple[str, str]:
    """Chromium and its driver; without them these tests are skipped, in CI they fail."""
    found = shutil.which("chromium"), shutil.which("chromedriver")
    if None in found:
        assert os.environ.get("CI") != "true", "chromium and chromium-driver are missing"
        pytest.skip("needs chromium and chromium-driver")
    return str(found[0]), str(found[1])


@pytest.fixture(scope="module")
def browser(programs: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Makes a browser of a width in CSS pixels, by day or by night."""
    with ExitStack() as stack:

        def make(width: int, *, dark: bool = False) -> Chrome:
            options = ChromeOptions()
            options.binary_location = programs[0]
            for option in (*_OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
                options.add_argument(option)
            options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
            driver = Chrome(options=options, service=Service(programs[1]))
            stack.callback(driver.quit)
            driver.set_script_timeout(120)  # axe-core takes its time on a busy machine
            metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
            scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
            return driver

        yield make


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the planted campaign, run on three days before, too, and with the one of hostile hosts."""
    path = tmp_path_factory.mktemp("store") / "fleet.db"
    guide = dossier().log
    past = tuple(replace(guide, id=f"guide-{days}", created=guide.created - days * DAY) for days in (3, 2, 1))
    logs = (*past, replace(guide, id="guide"), replace(hostile().log, id="hostile"))
    with closing(open_store(str(path))) as kept:
        for log in logs:
            kept.create(replace(log, observations=()))
            for seen in log.observations:
                kept.add(log.id, seen)
            kept.finish(log.id)
    with opened_catalogue(str(path)) as catalogue:
        for log in past:
            keep(catalogue, replace(log, finished=True), dossier().report.analysis.verdict)
    return path


Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def fleet() -> Command:
    """Runs the command line as a user has it; `path` instead of the user's own."""

    def run(*words: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **({} if path is None else {"PATH": path})}
        command = [str(Path(sys.executable).parent / "fleet"), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=280, check=False, env=environment)

    return run


@pytest.fixture(scope="session")
def report(fleet: Command, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Writes the report of a stored run once, as HTML."""
    written: dict[str, Path] = {}

    def write(run: str) -> Path:
        if run not in written:
            target = tmp_path_factory.mktemp("report") / f"{run}.html"
            done = fleet("report", run, "--store", str(store), "--html", str(target))
            assert target.is_file(), done.stderr
            written[run] = target
        return written[run]

    return write
