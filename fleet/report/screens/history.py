"""What an existing cluster's jobs of the past say, as blocks, and the screen and the Markdown page made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fleet.model.history import PLANES, History, PastJob, Replayed
from fleet.model.verdict import Choice
from fleet.report import wording
from fleet.report.lines import Line, Span, Style, clip, in_ascii, wrap
from fleet.report.markdown import escape
from fleet.report.screens.anatomy import Block
from fleet.report.screens.sheet import Sheet
from fleet.report.table import Column, table
from fleet.units import format_count, format_hertz, format_percent, format_seconds, format_share

NARROWEST, WIDEST = 40, 110
_NEXT, _KEEP_IN_MIND = "NEXT", "TO KEEP IN MIND"
_NO_FIGURES = {_NEXT, _KEEP_IN_MIND}
_LONGEST = 200
_ID = 8
"""Characters of a job's id that tell it from its like; the JSON has it whole."""

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))

_HEADLINES = {Choice.TUNE: "TUNE WHAT IS THERE", Choice.INCONCLUSIVE: "NO DECISION FROM THE PAST ALONE"}


def history_screen(found: History, *, width: int = 80, ascii_only: bool = False) -> tuple[Line, ...]:
    """The history as lines no wider than `width` cells (at least 40)."""
    sheet = Sheet(width=min(max(width, NARROWEST), WIDEST), emulated=found.archive.haste is not None)
    lines = [*_answer(found, sheet), *(one for block in blocks(found) for one in _drawn(block, sheet))]
    return tuple(map(in_ascii, lines)) if ascii_only else tuple(lines)


def history_markdown(found: History) -> str:
    """The history as GitHub-flavoured Markdown. Ends with a newline."""
    parts = [f"# Jobs of the past: {_HEADLINES[found.verdict.choice].lower()}"]
    if found.archive.haste is not None:
        parts.append(f"> **EMULATED.** {wording.emulation(found.archive.haste)}")
    parts.append("\n".join(f"- **{label}** {escape(text)}" for label, text in _facts(found)))
    for block in blocks(found):
        parts.append(f"## {escape(block.title)}")
        if block.note:
            parts.append(f"*{escape(block.note)}*")
        if block.rows:
            rules = ["---:" if column.right else "---" for column in block.columns]
            titles = [escape(column.title) for column in block.columns]
            rows = [[escape(cell) for cell in row] for row in block.rows]
            parts.append("\n".join(f"| {' | '.join(cells)} |" for cells in [titles, rules, *rows]))
        if block.bullets:
            parts.append("\n".join(f"- {escape(text)}" for text in block.bullets))
    return "\n\n".join(parts) + "\n"


def blocks(found: History) -> tuple[Block, ...]:
    """The blocks that this history has something to say in."""
    return tuple(block for write in _WRITERS for block in write(found))


def _answer(found: History, sheet: Sheet) -> Iterator[Line]:
    if found.archive.haste is not None:
        yield from sheet.banner(wording.emulation(found.archive.haste))
    yield from sheet.title("WHAT THE JOBS OF THE PAST SAY")
    yield sheet.rule()
    yield from wrap([Span(_HEADLINES[found.verdict.choice], Style.STRONG)], sheet.width, first="  ")
    for label, text in _facts(found):
        yield from sheet.fact(label, text)
    yield sheet.rule()


def _facts(found: History) -> Iterator[tuple[str, str]]:
    verdict, archive = found.verdict, found.archive
    if verdict.choice is not Choice.INCONCLUSIVE:
        yield "do", verdict.label
        yield "how sure", wording.probability(verdict.confidence)
    if verdict.gain is not None:
        yield "gain", f"{wording.gain(verdict.gain)} (95 % interval, replayed, not measured)"
    if found.hz is not None:
        jobs = format_count(found.hz.n, "job")
        yield "effective", f"{wording.hertz(found.hz)}, total cycles over total time of {jobs}"
    yield "bottleneck", f"{verdict.bottleneck.text}"
    order = "; tasks of an older job go first" if archive.generation.oldest_job_first else ""
    yield "cluster", f"{archive.generation.stack}, {PLANES[archive.generation.plane]}{order}"
    yield "read from", f"{archive.place} ({archive.server}); nothing was changed there"
    ahead = f"{archive.offset:+.3f} s ± {archive.uncertainty:.3f} s against ours"
    yield "its clock", ahead


def _reasons(found: History) -> Iterator[Block]:
    verdict = found.verdict
    yield Block(
        title="WHY",
        bullets=(
            *verdict.bottleneck.evidence,
            *("; ".join((reason.text, *reason.evidence)) for reason in verdict.reasons),
        ),
    )


def _jobs(found: History) -> Iterator[Block]:
    counted = sum(map(found.counts, found.jobs))
    yield Block(
        title="JOBS",
        note=f"{counted} of {len(found.jobs)} count; Hz as Bento's job_status.sh has it"
        if found.jobs
        else "none that was asked for",
        columns=(
            Column("job"),
            Column("ended", right=True),
            Column("tasks", right=True),
            Column("po2", right=True),
            Column("took", right=True),
            Column("effective Hz", right=True),
            Column("", flexible=True),
        ),
        rows=tuple(_job(found, job) for job in found.jobs),
        bullets=tuple(_why_not(found)),
    )


def _job(found: History, job: PastJob) -> tuple[str, ...]:
    refusal = found.refusal(job.id)
    age = "" if job.ended is None else f"{_roughly(found.archive.read - job.ended)} ago"
    return (
        job.id[:_ID],
        age,
        f"{sum(count for _, count, _ in job.tasks):,}",
        "" if job.po2 is None else str(job.po2),
        "" if job.seconds is None else format_seconds(job.seconds),
        wording.NOTHING if job.hz is None or refusal is not None else f"{job.hz:,.4f}",
        refusal.code.replace("_", " ") if refusal else "" if found.counts(job) else "other size",
    )


def _roughly(seconds: float) -> str:
    """`3 d`, `5 h`, `40 min`, `8 s`."""
    size, name = next((unit for unit in _UNITS if seconds >= 2 * unit[0]), _UNITS[-1])
    return f"{max(0.0, seconds) / size:.0f} {name}"


def _why_not(found: History) -> Iterator[str]:
    """Refusals that say the same, once, with the jobs they are about."""
    alike: dict[tuple[str, str], list[str]] = {}
    for job, refusal in found.refusals:
        alike.setdefault((refusal.seen, refusal.cure), []).append(job[:_ID])
    for (seen, cure), jobs in alike.items():
        yield f"{', '.join(jobs)}: {clip(seen, _LONGEST)}. Cure: {cure}"


def _parts(found: History) -> Iterator[Block]:
    parts = found.decomposition
    if parts is None:
        return
    share = parts.share
    agents = format_count(found.workers, "agent")
    rate = f" at {format_hertz(parts.executor_hz)}" if parts.executor_hz is not None else ""
    yield Block(
        title="WHAT A JOB IS MADE OF",
        note=f"the mean of those that count; {agents} {'stated' if found.knobs.agents else 'seen at work at once'}",
        columns=(
            Column("task", flexible=True),
            Column("seconds each", right=True),
            Column("95 % interval"),
            Column("tasks", right=True),
        ),
        rows=tuple((one.kind, *wording.seconds_each(one.seconds), f"{one.count:,}") for one in parts.services),
        bullets=(
            (
                f"{format_seconds(parts.seconds)} from first start to last end: the agents were busy "
                f"{wording.share(share.busy)}, waited for dispatch {wording.share(share.dispatch)}, had nothing ready "
                f"{wording.share(share.graph)}"
            ),
            (
                f"no schedule is shorter than its largest part: the executor{rate} "
                f"{format_seconds(parts.executor_seconds)}, the agents' work shared evenly "
                f"{format_seconds(parts.work)}, the longest chain of tasks {format_seconds(parts.critical_path)}"
            ),
        ),
    )


def _replays(found: History) -> Iterator[Block]:
    if not found.replayed or found.missed is None:
        return
    yield Block(
        title="WHAT A CHANGE WOULD HAVE GIVEN",
        note="the same jobs, replayed; means over all phases of the timers",
        columns=(
            Column("change", flexible=True),
            Column("gain", right=True),
            Column("95 % interval"),
            Column("P(≥ 5 %)", right=True),
        ),
        rows=tuple(_replayed(one) for one in found.replayed),
        bullets=(
            (
                f"as it is, the replay misses what the jobs took by {format_percent(found.missed)}; where the timers "
                f"stood makes ±{format_share(found.luck or 0.0)}"
            ),
        ),
    )


def _replayed(one: Replayed) -> tuple[str, ...]:
    gain = wording.gain(one.gain)
    value, _, interval = gain.partition(" [")
    return (
        f"{one.change}{' (at most)' if one.bound else ''}",
        value,
        f"[{interval}",
        wording.probability(one.better),
    )


def _needs(found: History) -> Iterator[Block]:
    if found.verdict.needs:
        yield Block(title=_NEXT, bullets=found.verdict.needs)


def _notes(found: History) -> Iterator[Block]:
    if found.notes:
        yield Block(title=_KEEP_IN_MIND, bullets=found.notes)


_WRITERS: tuple[Callable[[History], Iterator[Block]], ...] = (_reasons, _jobs, _parts, _replays, _needs, _notes)


def _drawn(block: Block, sheet: Sheet) -> Iterator[Line]:
    yield from sheet.heading(block.title) if block.title in _NO_FIGURES else sheet.title(block.title, block.note)
    yield from table(block.columns, [tuple(map(Span, row)) for row in block.rows], sheet.width)
    yield from sheet.bullets(block.bullets)
