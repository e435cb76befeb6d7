"""The Markdown: it is a document to a real parser, and a host's words are never markup in it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from report_samples import ANY_REPORT, GUIDE, REAL, REFUSED, UNDECIDED

from fleet.model.verdict import Report
from fleet.report.lines import clean
from fleet.report.markdown import escape, markdown

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def parsed(text: str) -> list[Token]:
    return [token for block in PARSER.parse(text) for token in (block, *(block.children or []))]


def titles(report: Report) -> list[str]:
    return [text for text in markdown(report).splitlines() if text.startswith("#")]


@pytest.mark.parametrize(
    "text",
    [
        "**bold** _it_ `code` ~~gone~~",
        "<script>alert(1)</script> <b>x</b> <!-- x -->",
        "[click](http://evil.example) ![img](http://evil.example/x.png) <http://evil.example>",
        "a | b | c",
        "# heading",
        "- item",
        "1. item",
        "+ item",
        "> quote",
        "&lt;b&gt; &amp; \\*",
        "===",
        "---",
        "[ref]: http://evil.example",
        "line one\nline two",
        "\x1b[31mred",
    ],
)
@pytest.mark.parametrize("frame", ["- {}", "| a |\n| --- |\n| {} |", "{}", "**{}**"])
def test_escaped_text_is_only_text(text: str, frame: str) -> None:
    """In a list, a table, a paragraph and in bold, the reader sees the letters that were given, on one line."""
    tokens = parsed(frame.format(escape(text)))
    shown = "".join(token.content for token in tokens if token.type in {"text", "text_special"})
    assert shown.removeprefix("a") == clean(text) if frame.startswith("|") else shown == clean(text)
    forbidden = {"link_open", "image", "html_inline", "html_block", "em_open", "code_inline", "s_open", "heading_open"}
    assert not forbidden & {token.type for token in tokens}


def test_addresses_are_not_turned_into_links() -> None:
    assert escape("see http://evil.example or www.evil.example") == r"see http\://evil.example or www\.evil.example"


@given(st.text(max_size=60))
def test_no_text_can_end_its_table_cell(text: str) -> None:
    tokens = parsed(f"| a | b |\n| --- | --- |\n| {escape(text)} | end |")
    assert sum(token.type == "td_open" for token in tokens) == 2
    assert tokens[-5].content == "end" or any(token.content == "end" for token in tokens)


@settings(max_examples=50)
@given(ANY_REPORT)
def test_any_report_is_a_document_without_foreign_markup(report: Report) -> None:
    tokens = parsed(markdown(report))
    assert not {"link_open", "image", "html_inline", "html_block", "em_open"} & {token.type for token in tokens}


def test_the_document_begins_with_the_answer() -> None:
    lines = markdown(REAL).splitlines()
    assert lines[0] == "# What to do next: add a remote worker"
    assert lines[2] == "**Add a remote worker like far beside box**"
    assert "| gain, 95 % interval | +60.0 % [+55.0, +65.0], measured, n = 3 |" in lines
    assert "| cost | USD 2,600 once |" in lines


def test_tables_hold_the_figures_with_units() -> None:
    lines = markdown(REAL).splitlines()
    assert "| box×2 + far×1 | 20 | 1 | 690.0 kHz [679.0, 701.0] | 3 | +59.9 % |" in lines
    assert any(line.startswith("| A third GPU in box | +8.1 % [+2.0, +14.0] | USD 1,800 once |") for line in lines)
    trials = ", ".join(refusal.trial for refusal in REFUSED[:2])
    assert any(trials in line for line in lines)


def test_every_group_of_figures_is_marked_as_emulated() -> None:
    assert "> **EMULATED.** These figures come from emulated devices" in markdown(GUIDE)
    figures = titles(GUIDE)[1:9]
    assert figures[0] == "## The verdict (emulated)"
    assert all(title.endswith("(emulated)") for title in figures)
    assert "emulated" not in markdown(REAL).lower()


def test_what_there_is_none_of_has_no_heading() -> None:
    assert titles(UNDECIDED) == [
        "# What to do next: no decision yet: measure more",
        "## The verdict",
        "## To be surer",
        "## This run",
    ]


def test_a_run_id_cannot_leave_its_code() -> None:
    assert "`fleet report x'y`" in markdown(replace(REAL, run="x`y"))
