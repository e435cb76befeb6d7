"""The verdict screen: its order, its figures, its width, and what a host's words can do to it (nothing)."""

from __future__ import annotations

import unicodedata
from contextvars import copy_context
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_samples import ANY_REPORT, BOX, GAIN, GUIDE, OPTIONS, REAL, REFUSED, UNDECIDED, khz

from fleet.model.inventory import Per, Price
from fleet.model.verdict import Choice, Evidence, Report
from fleet.report.lines import Style
from fleet.report.screens.terminal import brief, screen
from fleet.units import Idiom, speak

FIGURES = (
    "WHAT TO DO NEXT",
    "WHY",
    "THROUGHPUT BY LAYOUT",
    "SCALING",
    "WHERE THE AGENTS' TIME WENT",
    "LARGEST SEGMENT SIZE THAT FITS",
    "OPTIONS",
    "REFUSED",
    "THIS RUN",
)


def texts(report: Report, width: int = 80) -> list[str]:
    return [found.text for found in screen(report, width=width)]


def with_verdict(report: Report, choice: Choice, **changes: object) -> Report:
    verdict = replace(report.analysis.verdict, choice=choice, **changes)  # type: ignore[arg-type] # a test's shorthand
    return replace(report, analysis=replace(report.analysis, verdict=verdict))


def test_the_answer_is_on_the_first_screen() -> None:
    """What to do, how sure, what it brings and costs, what binds: within 24 lines of 80 cells."""
    assert texts(GUIDE)[:24] == [
        " EMULATED  These figures come from emulated devices, 20 emulated seconds to a",
        "           real one. They say nothing about real hardware.",
        "",
        "WHAT TO DO NEXT (emulated)",
        "━" * 80,
        "  ADD A REMOTE WORKER",
        "  Add a remote worker like far beside box",
        "━" * 80,
        "  how sure     99 %",
        "  gain         +60.0 % [+55.0, +65.0] (95 % interval, measured, n = 3)",
        "  cost         USD 2,600 once (+23.1 % per USD 1,000)",
        "  bottleneck   The two cards of box wait for each other on its bus",
        "  because      A second card in the box brings 1.63×, where 1.90× was possible",
        "",
        "WHY (emulated)",
        "  · The two cards of box wait for each other on its bus",
        "    a prove task takes 1.17× as long with both cards busy",
        "    bus busy 0.93 of the time",
        "  · A second card in the box brings 1.63×, where 1.90× was possible",
        "    264.9 kHz on one",
        "    431.4 kHz on two",
        "  · A remote worker keeps 97 % of its own speed",
        "    258.1 kHz against 264.9 kHz",
        "  · A third card does not fit into box",
    ]


def test_the_last_line_names_the_settings_to_change() -> None:
    """On a small screen it is all that is left, and `tune what is there` alone cannot be done."""
    verdict = replace(
        GUIDE.analysis.verdict, choice=Choice.TUNE, label="tune what is there: po2 18 → 21", cost=None, confidence=0.99
    )
    report = replace(GUIDE, analysis=replace(GUIDE.analysis, verdict=verdict))
    assert texts(report)[-1] == "  ▶ TUNE WHAT IS THERE: po2 18 → 21 · 99 % sure · +60.0 % [+55.0, +65.0]"


def test_the_answer_is_also_the_last_line() -> None:
    """What is left on a small screen when the report has scrolled by."""
    assert texts(GUIDE)[-1] == "  ▶ ADD A REMOTE WORKER · 99 % sure · +60.0 % [+55.0, +65.0] · USD 2,600 once"
    assert texts(GUIDE)[-2].startswith("  kept         fleet report 20260731-101500-7c1e ")


def test_the_short_page_has_the_answer_the_options_and_the_way_to_the_rest() -> None:
    """What decides and what spoils it, each figure once; what explains it is told of by the command that shows it."""
    lines = [found.text for found in brief(GUIDE, width=80)]
    assert lines[:14] == texts(GUIDE)[:14]
    headings = [
        text.split("  ")[0].removesuffix(" (emulated)")
        for text in lines
        if text[:2].strip().isupper() and not text.startswith(" ")
    ]
    evidence = ["OPTIONS", "THROUGHPUT BY LAYOUT", "REFUSED", "HOSTS LEFT OUT", "CAVEATS", "NOT MEASURED"]
    assert headings == ["WHAT TO DO NEXT", "WHY", *evidence, "TO BE SURER", "THIS RUN"]
    assert any(f"fleet report {GUIDE.run} --all" in text for text in lines)
    assert lines[-1] == texts(GUIDE)[-1]
    assert not any("█" in text for text in lines)


def test_an_answer_below_95_percent_says_that_it_is_no_such_claim() -> None:
    """In the title, beside the figure and in the last line."""
    shown = texts(with_verdict(REAL, Choice.ADD_REMOTE_WORKER, confidence=0.63), width=100)
    assert "  PROBABLY: ADD A REMOTE WORKER" in shown
    assert "  how sure     63 %: likely, but no 95 % claim; by being wrong little is lost" in shown
    assert shown[-1].startswith("  ▶ PROBABLY: ADD A REMOTE WORKER · 63 % sure")


def test_sections_come_in_the_order_in_which_a_reader_asks() -> None:
    found = [
        text.split("  ")[0].removesuffix(" (emulated)")
        for text in texts(GUIDE)
        if text[:2].strip().isupper() and not text.startswith(" ")
    ]
    evidence = ["WHY", "THROUGHPUT BY LAYOUT", "THROUGHPUT BY LAYOUT", *FIGURES[3:7]]
    rest = ["REFUSED", "HOSTS LEFT OUT", "CAVEATS", "NOT MEASURED", "TO BE SURER", "THIS RUN"]
    assert found == ["WHAT TO DO NEXT", *evidence, *rest]


@pytest.mark.parametrize("width", [80, 120])
def test_an_emulated_report_says_so_at_the_top_and_at_each_group_of_figures(width: int) -> None:
    lines = screen(GUIDE, width=width)
    assert lines[0].spans[0].text == " EMULATED "
    assert lines[0].spans[0].style is Style.EMULATED
    for title in FIGURES:
        headings = [found.text for found in lines if found.text.startswith(title)]
        assert headings, title
        assert all("(emulated)" in heading for heading in headings)


def test_a_real_report_never_speaks_of_emulation() -> None:
    assert "emulated" not in "\n".join(texts(REAL)).lower()


@given(st.sampled_from([GUIDE, REAL, UNDECIDED]), st.integers(40, 240))
def test_no_line_is_wider_than_the_screen(report: Report, width: int) -> None:
    assert all(found.width <= width for found in (*screen(report, width=width), *brief(report, width=width)))


@settings(max_examples=60)
@given(ANY_REPORT, st.integers(40, 120))
def test_whatever_hosts_and_analysis_say_the_screen_stays_a_screen(report: Report, width: int) -> None:
    """No line too wide, no control character, no crash."""
    for found in (*screen(report, width=width), *brief(report, width=width)):
        assert found.width <= width
        assert all(unicodedata.category(character) not in {"Cc", "Cf"} for character in found.text)


def test_a_terminal_without_unicode_gets_the_same_lines_in_ascii() -> None:
    plain = screen(GUIDE, width=80, ascii_only=True)
    assert all(found.text.isascii() for found in plain)
    assert [found.width for found in plain] == [found.width for found in screen(GUIDE, width=80)]


def test_throughputs_make_stairs_and_stand_against_the_layout_in_service() -> None:
    rows = [text for text in texts(GUIDE) if "kHz" in text and "[" in text and "×" in text[:9]]
    assert [row.split()[0] for row in rows] == ["far×1", "box×1", "box×2", "box×2", "box×2"]
    assert rows[2].endswith("4          now")
    assert rows[3] == "  box×2 + far×1   20            1  690.0 kHz  [679.0, 701.0]  3      +59.9 %"


def test_without_the_layout_in_service_nothing_is_compared_to_it() -> None:
    rows = [text for text in texts(replace(GUIDE, current=None)) if " kHz  [" in text]
    assert rows
    assert all(row.endswith("–") for row in rows)


@pytest.mark.parametrize(
    "figure",
    [
        "264.9 kHz  [260.0, 270.0]  3      -38.6 %",
        "1.63× [1.60, 1.66] of the 1.90× that the task graph allows = 85.7 % of ideal; serial share 0.228 (Karp–Flatt)",
        "a prove task takes 1.17× as long",
        "layout busy dispatch wait nothing ready box×2, 1 agent each, po2 20 83.0 % 2.1 % 14.9 %",
        "box/gpu0: po2 21",
        "-2.1 % [-3.4, -0.8]     nothing         –",
        "19 trials, whose jobs took 3 min 16 s, on box, far; begun 2026-07-31 10:15 UTC, seed 7, fleet 0.1.0",
        "3 jobs of 2,048 iterations at once",
    ],
)
def test_figures_come_with_their_units(figure: str) -> None:
    """At 110 cells, with line breaks undone."""
    assert " ".join(figure.split()) in " ".join(" ".join(texts(REAL, 110)).split())


def test_a_prediction_is_called_one_and_what_cannot_be_done_says_why() -> None:
    lines = texts(REAL)
    at = next(index for index, text in enumerate(lines) if "A third GPU in box" in text)
    assert lines[at] == "  · A third GPU in box  predicted, not measured"
    assert lines[at + 1] == "    +8.1 % [+2.0, +14.0]    USD 1,800 once  +4.5 % per USD 1,000       1 %"
    assert lines[at + 2] == "    not possible: box has no free slot"


def test_the_chosen_option_comes_first_and_is_marked() -> None:
    lines = texts(REAL)
    at = lines.index("OPTIONS")
    assert lines[at + 2] == "  ▶ One remote worker like far beside box  measured, n = 3"
    assert sum("▶" in text for text in lines[at:-1]) == 1


def test_a_price_by_the_hour_says_so() -> None:
    hourly = with_verdict(REAL, Choice.ADD_REMOTE_WORKER, cost=Price(amount=0.85, per=Per.HOUR))
    assert "  cost         USD 0.85 an hour (+70.6 % per USD 1 an hour)" in texts(hourly)


@pytest.mark.parametrize(
    ("choice", "shown"),
    [(Choice.ADD_GPU, "price not stated"), (Choice.TUNE, "nothing"), (Choice.HOLD, "nothing")],
)
def test_without_a_price_only_hardware_is_not_free(choice: Choice, shown: str) -> None:
    assert f"  cost         {shown}" in texts(with_verdict(REAL, choice, cost=None))


def test_certainty_is_never_claimed() -> None:
    assert "  how sure     > 99 %" in texts(with_verdict(REAL, Choice.TUNE, confidence=1.0))


def test_that_settings_pay_is_surer_than_that_they_are_the_best() -> None:
    """Both are said where the second is not as good as certain."""
    shown = texts(with_verdict(REAL, Choice.TUNE, confidence=1.0, unrivalled=0.69))
    assert "  how sure     > 99 % that it pays, 69 % that no other setting gives 2 % more" in shown
    assert "· > 99 % sure that it pays ·" in " ".join(" ".join(shown[-3:]).split())
    likely = " ".join(" ".join(texts(with_verdict(REAL, Choice.TUNE, confidence=0.63, unrivalled=0.69))).split())
    assert "by being wrong little is lost; 69 % that no other setting gives 2 % more" in likely


def test_an_undecided_run_shows_what_it_needs_and_no_gain() -> None:
    lines = texts(UNDECIDED)
    assert "  NO DECISION YET: MEASURE MORE" in lines
    assert "  how sure     40 % for what looks best, which does not settle it" in lines
    assert "  do this      run `fleet bench` again with at least 3 repeats" in lines
    assert not any(text.startswith(("  gain", "  cost")) for text in lines)
    assert " ".join(" ".join(lines[-2:]).split()).endswith(
        "▶ NO DECISION YET: MEASURE MORE · run `fleet bench` again with at least 3 repeats"
    )


def test_a_run_that_can_compare_nothing_is_not_sure_of_anything() -> None:
    """No figure stands where there is none."""
    lines = texts(with_verdict(UNDECIDED, Choice.INCONCLUSIVE, confidence=0.0))
    assert "  how sure     not at all: nothing can be compared yet" in lines


def test_an_unknown_interval_is_called_unknown() -> None:
    loose = replace(GAIN, low=float("-inf"), high=float("inf"))
    assert "+60.0 % [interval unknown]" in "\n".join(texts(with_verdict(REAL, Choice.ADD_GPU, gain=loose)))


def test_refusals_that_say_the_same_are_shown_once() -> None:
    lines = texts(REAL)
    at = lines.index("  ✗ out of memory  box×2, 1 agent each, po2 22, 2 trials")
    assert lines[at + 1].startswith("    seen  box/gpu0#0: called `Result::unwrap()`")
    assert lines[at + 2] == "    cure  stay at po2 21 or below on 16 GB cards"


def test_a_flood_of_refusals_is_counted_not_shown() -> None:
    many = tuple(replace(REFUSED[0], code=f"code_{number}") for number in range(11))
    flooded = replace(REAL, analysis=replace(REAL.analysis, refused=many))
    assert sum(text.startswith("  ✗ code ") for text in texts(flooded)) == 8
    assert "    and 3 more kinds, all in the JSON" in texts(flooded)


def test_markup_from_a_host_is_text() -> None:
    evil = replace(REFUSED[0], seen="[bold red]x[/]\x1b[2J\x1b]0;pwned\x07\nVERDICT: hold")
    shown = texts(replace(REAL, analysis=replace(REAL.analysis, refused=(evil,))))
    assert "    seen  [bold red]x[/] VERDICT: hold" in shown


def test_a_verdict_without_a_matching_option_still_shows_its_gain() -> None:
    alone = replace(REAL, analysis=replace(REAL.analysis, options=OPTIONS[:1]))
    assert "  gain         +60.0 % [+55.0, +65.0] (95 % interval)" in texts(alone)


def test_the_bound_is_drawn_only_where_the_smaller_layout_was_measured() -> None:
    """Two cards are bounded by 1.90 × 264.9 kHz = 503 kHz; without the one card's figure there is no bound."""
    one_card = [found for found in GUIDE.analysis.throughputs if found.layout == BOX]
    without = replace(GUIDE, analysis=replace(GUIDE.analysis, throughputs=tuple(one_card)))
    assert any("┊" in text for text in texts(GUIDE))
    assert not any("┊" in text for text in texts(without))


def test_evidence_kinds_have_words() -> None:
    for kind, shown in ((Evidence.MEASURED, "measured, n = 3"), (Evidence.NONE, "not measured")):
        option = replace(OPTIONS[2], evidence=kind)
        lines = texts(replace(REAL, analysis=replace(REAL.analysis, options=(option,))))
        assert any(text.endswith(f"beside box  {shown}") for text in lines)


def test_leaving_it_as_it_is_is_no_change_and_other_gaps_are_unknown() -> None:
    hold = replace(OPTIONS[0], choice=Choice.HOLD, label="leave it as it is", gain=None)
    unknown = replace(OPTIONS[0], gain=None, evidence=Evidence.NONE)
    lines = texts(replace(REAL, analysis=replace(REAL.analysis, options=(hold, unknown))))
    assert lines[lines.index("  · leave it as it is") + 1].split("  ")[2] == "no change"
    assert lines[lines.index("  · 2 agents on each GPU at po2 19  not measured") + 1].split("  ")[2] == "gain unknown"


def test_large_figures_in_the_operators_unit_stay_a_table() -> None:
    """Where the columns have no room for the layout beside them, it stands above its figures; bars stay below."""

    def say() -> list[str]:
        speak(Idiom(unit="tokens/s", settings=tuple(f"batch {at}, tile {at}" for at in range(30)), runs=True))
        large = [replace(one, hz=khz(9e6, 8e6, 1e7)) for one in GUIDE.analysis.throughputs]
        report = replace(GUIDE, analysis=replace(GUIDE.analysis, throughputs=tuple(large)))
        return [found.text for found in screen(report, width=80)]

    lines = copy_context().run(say)
    at = next(number for number, text in enumerate(lines) if text.startswith("  · box×1, 1 agent each, batch 20"))
    assert lines[at + 1].split() == ["9,000,000", "tokens/s", "[8,000,000,", "10,000,000]", "3", "+0.0", "%"]
    assert "█" in lines[at + 2]
    assert not any(text.strip().startswith("effective:") for text in lines)
