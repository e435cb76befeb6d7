"""The report as GitHub-flavoured Markdown, for a pull request or a wiki. What a host said stays text, never markup."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from fleet.model.verdict import Choice, Report
from fleet.report import wording
from fleet.report.figures import Measured, by_load, chosen, ranked, refused_alike
from fleet.report.lines import clean
from fleet.report.screens.anatomy import blocks
from fleet.units import format_po2, format_setting, setting_title, sizes_title, speed

_MARKUP = re.compile(r"([\\`*_\[\]<>#|~$&!])")
_LEADING = re.compile(r"^(\s*)([-+=](?!\d)|\d+[.)](?=\s|$))")
_LINKS = re.compile(r"(?i)(://|www\.|@)")


def markdown(report: Report) -> str:
    """The whole report. Ends with a newline."""
    blocks = [block for section in _SECTIONS for block in section(report)]
    return "\n\n".join(blocks) + "\n"


def escape(text: str) -> str:
    """The text so that Markdown shows it letter by letter, on one line, also inside a table."""
    text = _MARKUP.sub(r"\\\1", clean(text))
    text = _LINKS.sub(lambda match: match[0].replace(":", "\\:").replace(".", "\\.").replace("@", "\\@"), text)
    return _LEADING.sub(lambda match: f"{match[1]}{match[2][:-1]}\\{match[2][-1]}", text).strip()


def _heading(report: Report, title: str) -> str:
    return f"## {title} (emulated)" if report.emulated else f"## {title}"


def markdown_table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table; a title that starts with `>` aligns its column right."""
    titles = list(titles)
    rules = ["---:" if title.startswith(">") else "---" for title in titles]
    lines = [[title.removeprefix(">") for title in titles], rules, *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _bullets(texts: Iterable[str]) -> str:
    return "\n".join(f"- {text}" for text in texts)


def _said(text: str, evidence: tuple[str, ...]) -> str:
    return escape(f"{text} ({'; '.join(evidence)})" if evidence else text)


def _head(report: Report) -> Iterator[str]:
    verdict = report.analysis.verdict
    yield f"# What to do next: {wording.title(verdict).lower().replace('gpu', 'GPU')}"
    if report.emulated:
        yield f"> **EMULATED.** {wording.emulation(report.time_scale)}"
    yield f"**{escape(wording.todo(verdict))}**"


def _verdict(report: Report) -> Iterator[str]:
    verdict = report.analysis.verdict
    yield _heading(report, "The verdict")
    rows = [("goal", aim) for aim in wording.aim(report.analysis.goal)]
    rows.append(("how sure", wording.confidence(verdict)))
    pick = chosen(report.analysis)
    if verdict.gain is not None:
        how = wording.evidence(pick.evidence, verdict.gain) if pick else ""
        rows.append(("gain, 95 % interval", ", ".join(part for part in (wording.gain(verdict.gain), how) if part)))
    if verdict.choice is not Choice.INCONCLUSIVE:
        rows.append(("cost", escape(wording.cost(verdict.choice, verdict.cost, report.currency))))
        rows.append(("gain per cost", escape(wording.gain_per_cost(verdict.gain, verdict.cost, report.currency))))
    rows.append(("bottleneck", _said(verdict.bottleneck.text, verdict.bottleneck.evidence)))
    yield markdown_table(("", ""), rows)
    if verdict.reasons:
        yield _bullets(f"`{reason.code}` {_said(reason.text, reason.evidence)}" for reason in verdict.reasons)


def _throughput(report: Report) -> Iterator[str]:
    for group in by_load(report):
        yield _heading(report, f"Throughput by layout, {wording.load(group[0].throughput)}")
        titles = (
            "layout",
            f">{setting_title()}",
            ">agents each",
            f">effective {speed()}, 95 % interval",
            ">n",
            ">against now",
        )
        yield markdown_table(titles, map(_measured, group))


def _measured(one: Measured) -> tuple[str, ...]:
    layout, hz = one.throughput.layout, one.throughput.hz
    against = "**now**" if one.current else wording.NOTHING if one.gain is None else wording.percent(one.gain)
    return (
        escape(layout.where),
        escape(format_po2(layout.po2)),
        str(layout.agents_per_device),
        wording.hertz(hz),
        str(hz.n),
        against,
    )


def _scaling(report: Report) -> Iterator[str]:
    if report.analysis.scalings:
        yield _heading(report, "Scaling")
        yield _bullets(
            f"**{escape(f'{found.base.where} → {found.layout.label}')}**: {escape(wording.scaling(found))}"
            for found in report.analysis.scalings
        )
    if report.analysis.shares:
        yield _heading(report, "Where the agents' time went")
        rows = [
            (escape(found.layout.label), *map(wording.share, (found.busy, found.dispatch, found.graph)))
            for found in report.analysis.shares
        ]
        yield markdown_table(("layout", ">busy", ">dispatch wait", ">nothing ready"), rows)
    if report.analysis.ceilings:
        yield _heading(report, f"Largest {sizes_title()} that fits")
        yield _bullets(f"{escape(name)}: {escape(format_setting(po2))}" for name, po2 in report.analysis.ceilings)


def _explained(report: Report) -> Iterator[str]:
    for block in blocks(report):
        note = f", {escape(block.note)}" if block.note else ""
        yield f"{_heading(report, block.title.capitalize())}{note}"
        if block.rows:
            titles = [f">{column.title}" if column.right else column.title for column in block.columns]
            yield markdown_table(titles, (map(escape, row) for row in block.rows))
        if block.bullets:
            yield _bullets(map(escape, block.bullets))


def _options(report: Report) -> Iterator[str]:
    if not report.analysis.options:
        return
    yield _heading(report, "Options")
    pick = chosen(report.analysis)
    rows = [
        (
            f"**{escape(option.label)}**" if option is pick else escape(option.label),
            wording.option_gain(option),
            escape(wording.cost(option.choice, option.cost, report.currency)),
            escape(wording.gain_per_cost(option.gain, option.cost, report.currency)),
            wording.probability(option.best),
            wording.evidence(option.evidence, option.gain),
            escape(option.blocked or ""),
        )
        for option in ranked(report.analysis)
    ]
    titles = (
        "option",
        ">gain, 95 % interval",
        ">cost",
        ">gain per cost",
        ">P(best)",
        "evidence",
        "not possible because",
    )
    yield markdown_table(titles, rows)


def _refused(report: Report) -> Iterator[str]:
    if report.analysis.refused:
        yield _heading(report, "Refused: seen, and kept out of every figure")
        rows = [
            (
                wording.fault(group.refusal.code),
                escape(group.refusal.label),
                escape(", ".join(group.trials)),
                escape(group.refusal.seen),
                escape(group.refusal.cure),
            )
            for group in refused_alike(report.analysis.refused)
        ]
        yield markdown_table(("fault", "layout", "trials", "seen", "cure"), rows)


def _lists(report: Report) -> Iterator[str]:
    for title, texts in (
        ("Hosts left out", report.failures),
        ("Caveats", report.analysis.caveats),
        ("Not measured", report.analysis.not_measured),
        ("To be surer", report.analysis.verdict.needs),
    ):
        if texts:
            yield f"## {title}"
            yield _bullets(map(escape, texts))


def _origin(report: Report) -> Iterator[str]:
    yield "## This run"
    yield f"{escape(wording.origin(report))}. Shown again by `fleet report {_code(report.run)}`."


def _code(text: str) -> str:
    """A text between backquotes, where nothing can be escaped."""
    return clean(text).replace("`", "'")


_SECTIONS: tuple[Callable[[Report], Iterator[str]], ...] = (
    _head,
    _verdict,
    _throughput,
    _scaling,
    _explained,
    _options,
    _refused,
    _lists,
    _origin,
)
