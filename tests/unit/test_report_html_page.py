"""The HTML report as text: one file, nothing let in, hosts' words never markup, every plot with its table."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from typing import Any

import plotly.graph_objects as go  # noqa: TID251 (who judges whether it understands a plot)
import pytest
from report_pages import ASSETS, HOSTILE, dossier, hostile, large

from fleet.analyse import analyse
from fleet.model.verdict import Choice
from fleet.report.build import build
from fleet.report.html import Dossier, page
from fleet.report.html.markup import el
from fleet.report.html.page import Panel, _panels
from fleet.units import parse_bytes

MOST = parse_bytes("700kB")
"""Of a page without the library that draws."""


class Reader(HTMLParser):
    """Elements with their attributes, and the text of the page and of its scripts."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self._in: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self._in.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._in.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if self._in and self._in[-1] == "script":
            self.scripts[-1] += data
        else:
            self.text += data


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    return reader


@cache
def guide() -> Reader:
    return read(page(dossier(), ASSETS))


def figures(found: Reader) -> list[dict[str, Any]]:
    return list(json.loads(found.scripts[0]))


# It is a document that ends, asks for nothing from anywhere, and has three scripts: plots, library, its own.
def test_one_file_that_asks_for_nothing() -> None:
    found = guide()
    names = [name for name, _ in found.elements]
    assert names.count("script") == 3
    assert not {"link", "img", "iframe", "object", "embed", "form", "base"} & set(names)
    for _, attributes in found.elements:
        assert "src" not in attributes
        assert not (attributes.get("href") or "#").removeprefix("#").count(":")
        assert not [key for key in attributes if key.startswith("on") or key == "style"]


# What hosts say is text wherever it stands: no element, attribute or script more than without it.
def test_what_hosts_say_is_never_markup() -> None:
    found = read(page(hostile(), ASSETS))
    assert [name for name, _ in found.elements].count("script") == 3
    assert {key for _, at in found.elements for key in at} == {key for _, at in guide().elements for key in at}
    assert not {"img", "a", "b"} & {name for name, at in found.elements if at.get("class") != "skip"}
    assert "\x1b" not in found.text
    assert "<img src=x onerror=window.hacked=1>" in found.text
    assert HOSTILE[0] in found.text


# Plotly reads tags in its texts: what comes from a host reaches it escaped.
def test_plots_get_no_tags_of_hosts() -> None:
    drawn = json.dumps(figures(read(page(hostile(), ASSETS))))
    assert "&lt;script&gt;window.hacked" in drawn
    assert set(re.findall(r"<[^>]{0,20}>?", drawn)) <= {"<br>", "<extra>", "</extra>"}


# The policy names the scripts that are in the page by their hash, the unpacked library among them, and no others.
def test_policy_allows_exactly_its_scripts() -> None:
    found = guide()
    policy = next(at["content"] or "" for _, at in found.elements if at.get("http-equiv"))
    packed, own = found.scripts[1:]
    library = gzip.decompress(b64decode(packed)).decode()
    assert library == ASSETS.plotly
    allowed = re.findall(r"'(sha256-[^']+)'", policy)
    assert allowed == [f"sha256-{b64encode(hashlib.sha256(t.encode()).digest()).decode()}" for t in (own, library)]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy.split("script-src")[1].split(";")[0]


# The page for a printer has the library as it is, under the same policy.
def test_printed_page_needs_no_unpacking() -> None:
    found = read(page(dossier(), ASSETS, printed=True))
    assert ASSETS.plotly in found.scripts
    assert ("html", {"lang": "en", "class": "printed"}) in found.elements


# Emulated figures are marked above the page, in its title, at every plot's heading and inside every plot; real never.
def test_emulated_is_marked_everywhere() -> None:
    found = guide()
    assert found.text.count("EMULATED") >= 2
    headings = re.findall(r'<div class="together"><h3>(.*?)</h3>', page(dossier(), ASSETS))
    assert headings
    assert all(heading.endswith("(emulated)") for heading in headings)
    assert all(any(note["text"] == "EMULATED" for note in f["layout"]["annotations"]) for f in figures(found))
    plain = Dossier(report=replace(dossier().report, emulated=False), log=dossier().log)
    assert "EMULATED" not in page(plain, ASSETS)
    assert "(emulated)" not in page(plain, ASSETS)


def _all_panels() -> Iterator[Panel]:
    yield from _panels(dossier())


# Every plot is one that Plotly understands, property by property.
def test_plots_are_valid(subtests: pytest.Subtests) -> None:
    on_page = {figure["name"]: figure for figure in figures(guide())}
    for shown in (figure for panel in _all_panels() for figure in panel.figures):
        with subtests.test(shown.name):
            text = re.sub(r"var\(--[a-z0-9-]+\)", "#123456", json.dumps(on_page[shown.name]))
            read_back = json.loads(text)
            go.Figure(data=read_back["data"], layout=read_back["layout"])


# Every plot has a sentence and a table with as many cells as heads, for who cannot see it.
def test_plots_have_text_equivalents() -> None:
    shown = [figure for panel in _all_panels() for figure in panel.figures]
    assert {"options", "scaling", "gantt-now", "hours-now", "telemetry-now", "frontier"} <= {f.name for f in shown}
    for figure in shown:
        assert figure.summary.endswith(".")
        assert figure.rows
        assert all(len(row) == len(figure.columns) for row in figure.rows)


# What a board asks for is on the page.
def test_what_the_reader_asks_for_is_there() -> None:
    text = guide().text
    for wanted in ("What would flip it", "How sure", "Refused", "seed", "fleet bench", "When a host is lost"):
        assert wanted in text, wanted


# A run with nothing measured has a page all the same.
def test_empty_run() -> None:
    log = replace(dossier().log, observations=())
    report = build(log, analyse(log))
    assert report.analysis.verdict.choice is Choice.INCONCLUSIVE
    text = read(page(Dossier(report=report, log=log, unasked="nothing was measured"), ASSETS)).text
    assert "No replay of this run: nothing was measured" in text
    assert "No sound trial of the layout in service" in text


# However many samples and tasks a run has: curves are thinned and bars joined, each of which alone is told by the size.
def test_large_runs_stay_small() -> None:
    log = large(samples=10_000)
    assert sum(len(job.tasks) for job in log.observations[-1].jobs) > 3000
    found = Dossier(report=dossier().report, log=log)
    assert len(page(found, ASSETS).encode()) < MOST


# No line ends between a figure and its unit, wherever in the page it stands; what people copy is as it was.
def test_figures_stay_with_their_units() -> None:
    text = guide().text
    assert re.findall(r"\d[ ](?:kHz|%|GiB|ms)", text) == []
    assert len(re.findall(r"\d\u00a0(?:kHz|%|GiB|ms)", text)) > 100
    assert el("p", "fleet: po2 20, ", el("code", "fleet simulate R --target '5 MHz'")).markup == (
        "<p>fleet: po2\u00a020, <code>fleet simulate R --target &#x27;5 MHz&#x27;</code></p>"
    )


# The tile of how sure says of settings that they pay, and how they stand against other settings.
@pytest.mark.parametrize(
    ("choice", "unrivalled", "said"),
    [
        (Choice.TUNE, 0.999, "that it pays, and that no other setting that was measured gives 2 % more"),
        (Choice.TUNE, 1.0, "that it pays, no other setting was measured"),
        (Choice.TUNE, 0.78, "that it pays, 78 % that no other setting gives 2 % more"),
        (Choice.ADD_GPU, 1.0, "that nothing else would give 2 % more"),
    ],
)
def test_what_is_sure_is_said(choice: Choice, unrivalled: float, said: str) -> None:
    found = dossier()
    verdict = replace(found.report.analysis.verdict, choice=choice, confidence=0.999, unrivalled=unrivalled)
    report = replace(found.report, analysis=replace(found.report.analysis, verdict=verdict))
    assert f"How sure> 99 %{said}" in read(page(replace(found, report=report), ASSETS)).text.replace("\u00a0", " ")
