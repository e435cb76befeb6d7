"""The page's first panel in words, the warning above it, and what explains the figures."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.model.verdict import Bottleneck, Choice, Reason
from fleet.report import wording
from fleet.report.figures import chosen
from fleet.report.html.dossier import Dossier
from fleet.report.html.markup import Html, Node, bullets, cls, el, heads, join, sentence, table
from fleet.report.screens.anatomy import blocks
from fleet.units import format_setting, sizes_title


def banner(dossier: Dossier) -> Html:
    """The warning that an emulated figure is one; it stays in sight."""
    if not dossier.report.emulated:
        return Html("")
    return el(
        "aside",
        el("strong", "EMULATED"),
        " ",
        wording.emulation(dossier.report.time_scale),
        at={"class": "emulated", "aria-label": "Emulated figures"},
    )


def verdict(dossier: Dossier) -> Html:
    """What to do, how sure, what it brings and costs, and what would flip it."""
    report = dossier.report
    found = report.analysis.verdict
    flips = next((reason for reason in found.reasons if reason.code == "flips"), None)
    return join(
        [
            el("p", "What to do next", at=cls("kicker")),
            el("h2", wording.title(found).capitalize().replace("gpu", "GPU"), at=cls(f"choice {found.choice}")),
            el("p", sentence(wording.todo(found)), at=cls("lede")),
            el("dl", *_facts(dossier), at=cls("tiles")),
            *_list("What would bring the decision", found.needs if found.choice is Choice.INCONCLUSIVE else ()),
            el("div", *_short(found.bottleneck, found.reasons[:1], flips.evidence if flips else ()), at=cls("short")),
        ]
    )


def _short(bottleneck: Bottleneck, first: tuple[Reason, ...], flips: tuple[str, ...]) -> Iterator[Html]:
    """What a board reads: what binds, the first reason, what would change the answer."""
    yield el("div", el("h2", "What binds now"), el("p", sentence(bottleneck.text)), bullets(bottleneck.evidence))
    for reason in first:
        yield el("div", el("h2", "Why this"), el("p", sentence(reason.text)))
    if flips:
        yield el("div", el("h2", "What would flip it"), bullets(map(sentence, flips)))


def reasoning(dossier: Dossier) -> Html:
    """The rest of the verdict: each reason with its figures, then what to know and do about its limits."""
    report = dossier.report
    found = report.analysis.verdict
    return join(
        [
            el("h2", "The reasons, with their figures" + (" (emulated)" if report.emulated else "")),
            el(
                "div",
                *(_reason(one.text, one.evidence) for one in found.reasons if one.code != "flips"),
                at=cls("reasons"),
            ),
            *_list("To be surer", () if found.choice is Choice.INCONCLUSIVE else found.needs),
            *_list("Caveats", report.analysis.caveats),
            *_list("Not measured", report.analysis.not_measured),
        ]
    )


def _facts(dossier: Dossier) -> Iterator[Html]:
    report = dossier.report
    found, pick = report.analysis.verdict, chosen(report.analysis)
    mark = " (emulated)" if report.emulated else ""
    sure = wording.probability(found.confidence)
    yield _tile("How sure", sure, wording.claimed(found))
    if found.gain is not None:
        how = wording.evidence(pick.evidence, found.gain) if pick else ""
        value, _, interval = wording.gain(found.gain).partition(" [")
        yield _tile(f"Gain{mark}", value, "; ".join(part for part in (f"95 %: [{interval}", how) if part))
    if found.choice is not Choice.INCONCLUSIVE:
        ratio = wording.gain_per_cost(found.gain, found.cost, report.currency)
        yield _tile(
            "Cost",
            wording.cost(found.choice, found.cost, report.currency),
            "" if ratio == wording.NOTHING else ratio,
        )
    if report.current is not None:
        now = next(
            (one.hz for one in report.analysis.throughputs if one.layout == report.current and one.jobs == 1), None
        )
        if now is not None:
            yield _tile(f"Now{mark}", wording.hertz_value(now.value), report.current.label)


def _tile(name: str, value: str, note: str) -> Html:
    return el("div", el("dt", name), el("dd", el("span", value, at=cls("value")), el("small", note)))


def _reason(text: str, evidence: tuple[str, ...]) -> Html:
    return el("div", el("p", el("strong", sentence(text))), bullets(evidence), at=cls("reason"))


def _list(title: str, texts: tuple[str, ...]) -> tuple[Html, ...]:
    return (el("h2", title), bullets(map(sentence, texts))) if texts else ()


def explained(dossier: Dossier) -> Html:
    """What explains the figures, as the other renderings have it."""
    found: list[Node] = []
    for block in blocks(dossier.report):
        title = block.title.capitalize() + (" (emulated)" if dossier.report.emulated else "")
        found.append(el("h3", title))
        if block.rows:
            columns = heads(*(f">{c.title}" if c.right else c.title for c in block.columns))
            found.append(table(title, columns, block.rows, caption=block.note))
        found.append(bullets(block.bullets))
    if dossier.report.analysis.ceilings:
        found.append(el("h3", f"Largest {sizes_title()} that fits"))
        found.append(bullets(f"{name}: {format_setting(po2)}" for name, po2 in dossier.report.analysis.ceilings))
    return join(found)
