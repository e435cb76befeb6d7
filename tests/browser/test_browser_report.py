"""The HTML report in a real Chromium, opened from a file: it draws, it can be read and operated, it prints."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from fleet.units import parse_bytes

Report = Callable[[str], Path]
Command = Callable[..., subprocess.CompletedProcess[str]]
PLOTTED = ("verdict", "speed", "timeline", "whatif", "past")
PANELS = (*PLOTTED, "hosts", "gate", "method")
AXE = (files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")


def opened(driver: Chrome, page: Path, panel: str = "verdict") -> Chrome:
    """The page, when its plots are drawn."""
    driver.get("about:blank")
    driver.get(f"{page.as_uri()}#{panel}")
    WebDriverWait(driver, 60).until(lambda d: d.execute_script("return document.documentElement.dataset.ready"))
    return driver


def complaints(driver: Chrome) -> list[str]:
    """What the browser's console holds: errors, warnings, what the policy blocked."""
    found: list[dict[str, str]] = driver.get_log("browser")  # type: ignore[no-untyped-call]
    return [entry["message"] for entry in found]


def violations(driver: Chrome) -> list[str]:
    """What axe-core finds that is serious or critical."""
    driver.execute_script(AXE)
    found = driver.execute_async_script("axe.run(document).then(arguments[arguments.length - 1])")
    return [
        f"{one['id']} at {one['nodes'][0]['html'][:120]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]


# On a desk by day, on a desk by night, on a phone: every panel draws all its plots, fits, and is accessible.
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False)])
def test_every_panel(browser: Callable[..., Chrome], report: Report, width: int, dark: bool) -> None:  # noqa: FBT001
    driver = opened(browser(width, dark=dark), report("guide"))
    for panel in PANELS:
        driver.find_element(By.ID, f"tab-{panel}").click()
        shown = driver.execute_script(
            "return [...document.querySelectorAll('[role=tabpanel]:not([hidden])')].map(e=>e.id)"
        )
        assert shown == [f"panel-{panel}"]
        plots: list[list[Any]] = driver.execute_script(
            "return [...document.querySelectorAll('[role=tabpanel]:not([hidden]) .plot')].map(p =>"
            " [p.id, p.querySelectorAll('.trace path, .point path').length, p.getBoundingClientRect().width])"
        )
        assert all(shapes > 0 and 0 < wide <= width for _, shapes, wide in plots), plots
        assert bool(plots) is (panel in PLOTTED)
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    driver.execute_script("document.querySelectorAll('[role=tabpanel]').forEach(panel => { panel.hidden = false; })")
    assert violations(driver) == []
    assert complaints(driver) == []


# The pointer over a bar says what it is, with its interval.
def test_tooltips(browser: Callable[..., Chrome], report: Report) -> None:
    driver = opened(browser(1280), report("guide"), "speed")
    bar = driver.find_element(By.CSS_SELECTOR, "#plot-layouts-0 .bars .point path")
    ActionChains(driver).scroll_to_element(bar).move_to_element(bar).perform()
    told = WebDriverWait(driver, 10).until(
        lambda d: d.find_elements(By.CSS_SELECTOR, "#plot-layouts-0 .hoverlayer .hovertext")
    )
    assert re.search(r"kHz \[.*\], n = \d", told[0].text)


# With the keyboard alone: arrows and ends move between tabs, tables open and scroll.
def test_keyboard(browser: Callable[..., Chrome], report: Report) -> None:
    driver = opened(browser(1280), report("guide"))
    driver.find_element(By.ID, "tab-verdict").send_keys(Keys.ARROW_RIGHT)
    assert driver.switch_to.active_element.get_attribute("id") == "tab-speed"
    driver.switch_to.active_element.send_keys(Keys.END)
    assert driver.switch_to.active_element.get_attribute("aria-controls") == "panel-method"
    driver.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert driver.find_element(By.ID, "panel-verdict").is_displayed()
    summary = driver.find_element(By.CSS_SELECTOR, "#panel-verdict summary")
    before = driver.execute_script("return arguments[0].parentElement.open", summary)
    summary.send_keys(Keys.ENTER)
    assert driver.execute_script("return arguments[0].parentElement.open", summary) is not before


# When the day ends while the page is open, its plots change colours too.
def test_night_falls(browser: Callable[..., Chrome], report: Report) -> None:
    driver = opened(browser(1280), report("guide"), "speed")
    ink = "return getComputedStyle(document.querySelector('#plot-scaling .xtick text')).fill"
    by_day = driver.execute_script(ink)
    driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    )
    WebDriverWait(driver, 10).until(lambda d: d.execute_script(ink) != by_day)


# Markup from hosts does nothing but stand there.
def test_hostile_hosts(browser: Callable[..., Chrome], report: Report) -> None:
    driver = opened(browser(1280), report("hostile"))
    for panel in PANELS:
        driver.find_element(By.ID, f"tab-{panel}").click()
    assert driver.execute_script("return window.hacked") is None
    assert "<script>window.hacked = 1</script>" in driver.execute_script("return document.body.textContent")
    assert complaints(driver) == []


# The policy is in force: nothing is fetched, no script runs that is not the page's own.
def test_policy_in_force(browser: Callable[..., Chrome], report: Report) -> None:
    driver = opened(browser(1280), report("guide"))
    driver.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.let_in = 1'; document.head.append(s);"
        "const i = document.createElement('img'); i.src = 'https://127.0.0.1/x.png'; document.body.append(i);"
    )
    assert driver.execute_script("return window.let_in") is None
    found = complaints(driver)
    assert sum("violates the following Content Security Policy" in one for one in found) == 2


# Where scripts are off every panel is there, with its tables; there are no dead tabs.
def test_without_scripts(browser: Callable[..., Chrome], report: Report) -> None:
    driver = browser(1280)
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    driver.get(report("guide").as_uri())
    for panel in PANELS:
        assert driver.find_element(By.ID, f"panel-{panel}").is_displayed()
    assert not driver.find_element(By.ID, "tab-verdict").is_displayed()


# Printed from the browser, all panels are on paper and every plot is drawn; then the screen is as it was.
def test_print_view(browser: Callable[..., Chrome], report: Report, tmp_path: Path) -> None:
    driver = opened(browser(1280), report("guide"))
    pdf = tmp_path / "printed.pdf"
    pdf.write_bytes(base64.b64decode(driver.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"]))
    _is_whole(pdf)
    assert driver.execute_script("return document.querySelectorAll('[role=tabpanel]:not([hidden])').length") == 1


# `--pdf` prints the same by the command.
def test_pdf(programs: tuple[str, str], fleet: Command, store: Path, tmp_path: Path) -> None:
    del programs
    pdf = tmp_path / "report.pdf"
    done = fleet("report", "guide", "--store", str(store), "--pdf", str(pdf))
    assert f"wrote {pdf}" in done.stderr
    _is_whole(pdf)


def _is_whole(pdf: Path) -> None:
    """Every panel's title is there, and texts that only a drawn plot has."""
    reader = shutil.which("pdftotext")
    if reader is None:
        pytest.skip("needs pdftotext")
    text = subprocess.run([reader, "-layout", str(pdf), "-"], capture_output=True, text=True, check=True).stdout
    for title in ("Throughput", "Timeline", "What if", "History", "Hosts", "Gate", "Method", "EMULATED"):
        assert title in text, title
    for axis in (
        "gain, %",
        "seconds since the job's start",
        "seconds since the trial's start",
        "a month, added",
        "run begun",
    ):
        assert axis in text, axis


# Without a browser one clear line says so, and what to do; nothing is written.
def test_pdf_without_chromium(fleet: Command, store: Path, tmp_path: Path) -> None:
    pdf = tmp_path / "report.pdf"
    done = fleet("report", "guide", "--store", str(store), "--pdf", str(pdf), path=str(tmp_path))
    assert done.returncode == 2
    assert "printed by Chromium, which is not installed" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not pdf.exists()


# The file is small enough to be passed on.
def test_size(programs: tuple[str, str], report: Report) -> None:
    del programs
    assert report("guide").stat().st_size < parse_bytes("6MB") / 2
