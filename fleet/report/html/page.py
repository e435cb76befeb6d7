"""The page itself: one file that needs nothing else, with a policy that lets nothing else in.

The plot library travels compressed and is unpacked by the page's own script; `printed` leaves it as it is, as a
browser that only prints a page does not wait for that. Scripts are allowed by their hash. Styles are allowed, since
Plotly makes some of its own, other ones in every version; with nothing to load from they can only be ugly.
"""

from __future__ import annotations

import gzip
import hashlib
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fleet.analyse.causes.trialview import typical
from fleet.model.record import Observation
from fleet.model.trial import Layout
from fleet.report import wording
from fleet.report.figures import chosen
from fleet.report.html import gantt, hostcards, hours, past, records, sections, telemetry, throughput, whatif
from fleet.report.html.dossier import Assets, Dossier
from fleet.report.html.figure import Figure, described, drawn
from fleet.report.html.markup import Html, Node, bullets, cls, coded, data, el, join
from fleet.units import spoken


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One tab: its name, what it shows, and the plots in it."""

    name: str
    title: str
    body: Html
    figures: tuple[Figure, ...] = ()


def page(dossier: Dossier, assets: Assets, *, printed: bool = False) -> str:
    """The whole report as one HTML file; `printed` for a browser that prints it and goes."""
    panels = tuple(_panels(dossier))
    figures = [described(figure, emulated=dossier.report.emulated) for panel in panels for figure in panel.figures]
    head = el(
        "head",
        el("meta", at={"charset": "utf-8"}),
        el("meta", at={"http-equiv": "Content-Security-Policy", "content": _policy(assets)}),
        el("meta", at={"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        el("meta", at={"name": "color-scheme", "content": "light dark"}),
        el("meta", at={"name": "referrer", "content": "no-referrer"}),
        el("title", f"{_mark(dossier)}{wording.title(dossier.report.analysis.verdict).capitalize()}"
                    f" – {dossier.report.inventory}"),
        _raw("style", assets.style),
    )  # fmt: skip
    body = el(
        "body",
        el("a", "Skip to the report", at={"class": "skip", "href": "#panels"}),
        sections.banner(dossier),
        _header(dossier),
        _tabs(panels),
        el("main", *(_panel(panel, first=not at) for at, panel in enumerate(panels)), at={"id": "panels"}),
        el("footer", el("p", wording.origin(dossier.report), ". Run ", el("code", dossier.report.run))),
        Html(f'<script type="application/json" id="figures">{data(figures)}</script>'),
        _library(assets, printed=printed),
        _raw("script", assets.script),
    )
    lang = {"lang": "en", **(cls("printed") if printed else {})}
    return f"<!doctype html>\n{el('html', head, body, at=lang).markup}\n"


def _mark(dossier: Dossier) -> str:
    return "EMULATED: " if dossier.report.emulated else ""


def _raw(name: str, text: str) -> Html:
    """A style or script of our own."""
    return Html(f"<{name}>{text}</{name}>")


def _library(assets: Assets, *, printed: bool) -> Html:
    """Plotly: as it is, or packed for the page's script to unpack."""
    if printed:
        return _raw("script", assets.plotly)
    packed = b64encode(gzip.compress(assets.plotly.encode(), 9, mtime=0)).decode()
    return Html(f'<script type="application/gzip+base64" id="plotly">{packed}</script>')


def _policy(assets: Assets) -> str:
    scripts = " ".join(map(_hash, (assets.script, assets.plotly)))
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _header(dossier: Dossier) -> Html:
    return el(
        "header",
        el("h1", el("strong", "fleet"), " capacity report · ", dossier.report.inventory),
        el("p", wording.moment(dossier.report.created)),
    )


def _tabs(panels: Sequence[Panel]) -> Html:
    """The tabs' buttons; the script makes them work, without it all panels are shown and the buttons are not."""
    buttons = [
        el(
            "button",
            panel.title,
            at={
                "role": "tab",
                "type": "button",
                "id": f"tab-{panel.name}",
                "aria-controls": f"panel-{panel.name}",
                "aria-selected": "false" if place else "true",
                "tabindex": "-1" if place else "0",
            },
        )
        for place, panel in enumerate(panels)
    ]
    return el("nav", el("div", *buttons, at={"role": "tablist", "aria-label": "Parts of the report"}))


def _panel(panel: Panel, *, first: bool) -> Html:
    title = [] if first else [el("h2", panel.title, at=cls("panel-title"))]
    return el(
        "section",
        *title,
        panel.body,
        at={"id": f"panel-{panel.name}", "role": "tabpanel", "aria-labelledby": f"tab-{panel.name}", "tabindex": "-1"},
    )


def _panels(dossier: Dossier) -> Iterator[Panel]:
    report, simulation = dossier.report, dossier.simulation
    ranking = simulation.ranking if simulation else ()
    options = tuple(whatif.options(report))
    scaling = tuple(throughput.scaling(report, ranking))
    yield _plots(
        "verdict",
        "Verdict",
        (sections.verdict(dossier),),
        options,
        emulated=report.emulated,
        after=(sections.reasoning(dossier),),
    )
    yield _plots(
        "speed",
        "Throughput",
        (),
        (*scaling, *throughput.layouts(report), *hours.by_layout(report)),
        emulated=report.emulated,
        after=(sections.explained(dossier),),
    )
    shown = tuple(_shown(dossier))
    yield _plots(
        "timeline",
        "Timeline",
        (_said(shown),),
        tuple(_closely(shown, dossier)),
        emulated=report.emulated,
    )
    yield _what_if(dossier)
    if dossier.trend is not None and past.told(dossier.trend):
        pick = chosen(report.analysis)
        found = tuple(past.levels(dossier.trend, (report.current, pick.layout if pick else None)))
        after = (past.changes(dossier.trend),)
        yield _plots("past", "History", (), found, emulated=report.emulated, after=after)
    yield Panel(name="hosts", title="Hosts", body=hostcards.hosts(dossier))
    yield Panel(name="gate", title="Gate", body=records.gate(dossier))
    yield Panel(name="method", title="Method", body=records.method(dossier))


def _what_if(dossier: Dossier) -> Panel:
    simulation, capacity = dossier.simulation, dossier.capacity
    if simulation is None:
        return Panel(name="whatif", title="What if", body=el("p", f"No replay of this run: {dossier.unasked}"))
    after: list[Node] = [bullets(map(coded, simulation.notes))]
    if capacity is not None:
        after += [el("h3", "When a host is lost (N−1)"), records.losses(capacity)]
    figures = (*whatif.frontier(simulation), *whatif.speedups(simulation))
    return _plots("whatif", "What if", (), figures, emulated=dossier.report.emulated, after=tuple(after))


def _plots(
    name: str,
    title: str,
    before: tuple[Node, ...],
    figures: tuple[Figure, ...],
    *,
    emulated: bool,
    after: tuple[Node, ...] = (),
) -> Panel:
    return Panel(
        name=name,
        title=title,
        body=join([*before, *(drawn(figure, emulated=emulated) for figure in figures), *after]),
        figures=figures,
    )


def _shown(dossier: Dossier) -> Iterator[tuple[str, Observation]]:
    """The trials that are shown closely: of the layout in service, and of the one that the verdict is for."""
    report = dossier.report
    pick = chosen(report.analysis)
    layouts: tuple[tuple[str, Layout | None], ...] = (
        ("now", report.current),
        ("pick", pick.layout if pick and pick.layout != report.current else None),
    )
    for name, layout in layouts:
        found = typical(dossier.log, layout) if layout else None
        if found is not None:
            yield name, found


def _said(shown: Sequence[tuple[str, Observation]]) -> Html:
    if not shown:
        return el("p", "No sound trial of the layout in service was measured.")
    texts = [f"{seen.trial.layout.label} (trial {seen.trial.id})" for _, seen in shown]
    texts = [f"Trials with the middle figure of their layout: {'; '.join(texts)}."]
    if spoken().pieces:
        texts.append(f"{wording.PIECES.capitalize()}.")
    return el("p", " ".join(texts))


def _closely(shown: Sequence[tuple[str, Observation]], dossier: Dossier) -> Iterator[Figure]:
    for name, seen in shown:
        yield from gantt.timeline(seen, name)
        yield from hours.by_host(seen, name)
        yield from telemetry.telemetry(seen, name, dossier.report.time_scale)
