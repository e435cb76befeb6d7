"""Lines: text that fits, and that cannot steer a terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fleet.report.chart import bar
from fleet.report.lines import Line, Span, Style, cells, clean, clip, in_ascii, line, pad, tied, wrap
from fleet.report.table import Column, table

ANY = st.text(max_size=120)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b2Jcleared", "cleared"),
        ("\x1b\x1b[0m[31mtwice", "[31mtwice"),
        ("a\r\nb\tc", "a b c"),
        ("bell\x07 and back\x08space", "bell and backspace"),
        ("\u202egnp.exe", "gnp.exe"),
        ("zero\u200bwidth", "zerowidth"),
        ("lone \ud800 surrogate", "lone ? surrogate"),
        ("box×2 → Gerät", "box×2 → Gerät"),
    ],
)
def test_foreign_text_keeps_its_letters_and_loses_its_powers(text: str, shown: str) -> None:
    assert clean(text) == shown
    assert Span(text).text == shown


@given(ANY)
def test_no_span_can_hold_a_control_character(text: str) -> None:
    assert all(unicodedata.category(character) not in {"Cc", "Cf", "Cs"} for character in Span(text).text)


@example([("a \xa0 \u3000", Style.PLAIN)], 12)
@given(st.lists(st.tuples(ANY, st.sampled_from(Style)), max_size=4), st.integers(12, 100))
def test_wrapping_keeps_every_letter_in_order_and_no_line_is_too_wide(
    pairs: list[tuple[str, Style]], width: int
) -> None:
    spans = [Span(text, style) for text, style in pairs]
    lines = wrap(spans, width, first="  · ")
    assert all(found.width <= width for found in lines)
    letters = "".join(found.text[4:] for found in lines).replace(" ", "")
    assert letters == "".join(span.text for span in spans).replace(" ", "")


def test_wrapping_breaks_between_words_and_hangs_under_the_first() -> None:
    lines = wrap(["one two three ", Span("four", Style.STRONG)], 12, first="  · ")
    assert [found.text for found in lines] == ["  · one two", "    three", "    four"]
    assert lines[2].spans[-1] == Span("four", Style.STRONG)


@given(ANY, st.integers(1, 40))
def test_a_clipped_text_fits_and_says_that_it_was_cut(text: str, width: int) -> None:
    cut = clip(text, width)
    assert cells(cut) <= width
    assert cut == clean(text) or cut.endswith("…")


def test_wide_characters_take_two_cells() -> None:
    assert cells("日本") == 4
    assert cells("e\u0301") == 1
    assert pad("日本", 6, right=True) == "  日本"
    assert clip("日本語", 4) == "日…"


@given(ANY)
def test_ascii_takes_as_many_cells(text: str) -> None:
    found = line(text)
    plain = in_ascii(found)
    assert plain.text.isascii()
    assert plain.width == found.width


def test_neighbours_of_one_style_become_one_span_and_spaces_at_the_end_go() -> None:
    assert line("a", "b", Span("c", Style.BAD), Span("  ", Style.BAD), " ") == Line((Span("ab"), Span("c", Style.BAD)))


COLUMNS = (Column("layout", flexible=True), Column("Hz", right=True), Column("note", flexible=True), Column("empty"))
ROWS = (
    (Span("box×2 + far×1 + another×3"), Span("690.0 kHz"), Span("confirmed twice"), Span("")),
    line("  a line across"),
    (Span("one"), Span("1 kHz"), Span(""), Span("")),
)


def test_a_table_aligns_and_drops_columns_without_a_cell() -> None:
    assert [found.text for found in table(COLUMNS, ROWS, 80)] == [
        "  layout                            Hz  note",
        "  box×2 + far×1 + another×3  690.0 kHz  confirmed twice",
        "  a line across",
        "  one                            1 kHz",
    ]


def test_flexible_columns_wrap_where_it_is_narrow() -> None:
    assert [found.text for found in table(COLUMNS, ROWS, 40)] == [
        "  layout                Hz  note",
        "  box×2 + far×1  690.0 kHz  confirmed",
        "  + another×3               twice",
        "  a line across",
        "  one                1 kHz",
    ]


def test_rows_become_lists_where_nothing_can_be_aligned() -> None:
    assert [found.text for found in table(COLUMNS, ROWS, 30)] == [
        "  box×2 + far×1 + another×3",
        "    Hz: 690.0 kHz",
        "    note: confirmed twice",
        "  a line across",
        "  one",
        "    Hz: 1 kHz",
    ]


@given(st.lists(st.tuples(ANY, ANY, ANY, ANY), min_size=1, max_size=3), st.integers(20, 120))
def test_no_table_is_too_wide(rows: list[tuple[str, ...]], width: int) -> None:
    made = [tuple(map(Span, row)) for row in rows]
    assert all(found.width <= width for found in table(COLUMNS, made, width))


def drawn(low: float, high: float, bound: float | None) -> str:
    return line(*bar(low=low, high=high, bound=bound, top=100, width=20, style=Style.GOOD)).text


def test_a_bar_is_solid_to_the_low_end_and_light_over_the_interval() -> None:
    assert drawn(50, 70, None) == "██████████▒▒▒▒"


def test_a_narrow_interval_is_still_seen() -> None:
    assert drawn(50, 50.1, None) == "██████████▒"


def test_the_bound_is_marked_where_it_lies_beyond_the_interval() -> None:
    assert drawn(50, 70, 100) == "██████████▒▒▒▒     ┊"
    assert drawn(50, 70, 60) == "██████████▒▒▒▒"


@given(*[st.floats(allow_nan=False)] * 4, st.integers(1, 80))
def test_a_bar_never_leaves_its_place(low: float, high: float, bound: float, top: float, width: int) -> None:
    assert line(*bar(low=low, high=high, bound=bound, top=top, width=width, style=Style.DIM)).width <= width


def test_a_figure_stays_with_its_unit() -> None:
    """`690.0 kHz` and `po2 20` are never broken over two lines."""
    lines = wrap(["it makes 690.0 kHz, or 99 % of it, at po2 20."], 16)
    assert [found.text for found in lines] == ["it makes", "690.0 kHz, or", "99 % of it, at", "po2 20."]


@pytest.mark.parametrize(
    "word",
    [
        "99 %",
        "+43.4 %,",
        "690.0 kHz",
        "(± 0.02 ms)",
        "16.0 GiB",
        "8.0 kB/s",
        "300 W",
        "po2 20",
        "n = 2",
        "USD 2,600",
        "[+1.0, +2.0];",
    ],
)
def test_a_browser_breaks_no_figure(word: str) -> None:
    """Within such a word stands no space at which a line could end; all other spaces stay, and so do the letters."""
    found = tied(f" it is  {word} or so")
    assert found == f" it is  {word.replace(' ', chr(0xA0))} or so"


@given(ANY)
def test_tying_changes_spaces_only(text: str) -> None:
    assert tied(text).replace("\u00a0", " ") == text.replace("\u00a0", " ")
