"""The table of `fleet watch`: what is shown, in which order, in which width, and what keys do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cluster_values import card, core, host
from hypothesis import given, settings
from hypothesis import strategies as st
from model_values import values_of

from fleet.model.samples import CardState, DeviceSample, HostSample, Lack
from fleet.model.watch import HostLost, Look, Mishap
from fleet.ui.watchboard import DOWN, HISTORY, PAGE_UP, Board, Sort, Wish, chosen, pressed
from fleet.ui.watchview import plain_line, scrolled, spark, watch_lines

HOSTS = (host("box", 0, [card("gpu0")]), replace(host("far", 1, [core("cpu0")]), group="attic"))
NOON = 1795435200.0


def gpu(name: str, **figures: object) -> DeviceSample:
    sample = DeviceSample(
        host="box", device=name, time=NOON, emulated=False, busy=0.5, memory_used=8 * 2**30, power=200.0,
        power_limit=450.0, temperature=60.0, sm_clock=2.5e9, pcie_generation=4, pcie_width=16, received=2e9, sent=1e9,
        throttle=0,
    )  # fmt: skip
    return replace(sample, **figures)  # type: ignore[arg-type]


CARDS = tuple(
    CardState(host="box", device=name, time=NOON, model=model, memory_total=24 * 2**30, pcie_width_max=16)
    for name, model in (("gpu0", "RTX 4090"), ("gpu1", "RTX 4090"), ("gpu2", "A4000"))
)
BOX = Look(
    host=HostSample(host="box", time=NOON, cpu_busy=0.25, memory_used=2**34, memory_total=2**36),
    devices=(
        gpu("gpu0", busy=0.9, power=400.0, temperature=86.0, throttle=0x44),
        gpu("gpu1", busy=0.1, pcie_width=8),
        gpu("gpu2", busy=None, power=None, power_limit=None, temperature=None, received=None, xids=(13, 79)),
    ),
    cards=CARDS,
)
FAR = Look(host=HostSample(host="far", time=NOON, cpu_busy=0.75, cpu_pressure=0.31, io_pressure=0.01))


def board() -> Board:
    found = Board(HOSTS)
    found.hear(BOX, "box")
    found.hear(FAR, "far")
    return found


def screen(found: Board, wish: Wish | None = None, width: int = 120, height: int = 20) -> list[str]:
    lines = watch_lines(found.rows(), wish or Wish(), NOON, width, height, title="prod")
    return [each.text for each in lines]


def names(wish: Wish) -> list[str]:
    return [row.name for row in chosen(board().rows(), wish)]


def test_one_screen_with_every_gpu_and_the_hosts_without_one() -> None:
    head, total, titles, *rows, foot = screen(board())
    assert head.startswith("fleet watch prod  2 hosts, 3 devices")
    assert total == "50 % busy in the mean  600 W  in trouble: box/gpu0, box/gpu2"
    assert titles.split() == [
        "host",
        "device",
        "busy",
        "past",
        "memory",
        "temp",
        "power",
        "clock",
        "PCIe",
        "in/out",
        "model",
    ]
    assert [row.split()[:2] for row in rows] == [["box", "gpu0"], ["box", "gpu1"], ["box", "gpu2"], ["far", "cpu"]]
    assert "8.0/24G  86°C  400/450W  2.50G       4×16  2.0/1.0G  too hot" in rows[0]
    assert "4×8 of 16" in rows[1]
    assert "Xid 79" in rows[2]
    assert rows[3].endswith("waits cpu 31%")
    assert foot.startswith("q quit  h host  b busy")


def test_rows_are_sorted_with_what_is_not_known_at_the_end() -> None:
    assert names(Wish(sort=Sort.BUSY)) == ["box/gpu0", "far/cpu", "box/gpu1", "box/gpu2"]
    assert names(Wish(sort=Sort.BUSY, reverse=True)) == ["box/gpu1", "far/cpu", "box/gpu0", "box/gpu2"]
    assert names(Wish(sort=Sort.POWER))[:2] == ["box/gpu0", "box/gpu1"]
    assert names(Wish(reverse=True)) == ["far/cpu", "box/gpu2", "box/gpu1", "box/gpu0"]


def test_a_filter_is_words_of_host_group_device_or_model() -> None:
    assert names(Wish(filter="4090 gpu1")) == ["box/gpu1"]
    assert names(Wish(filter="ATTIC")) == ["far/cpu"]
    assert names(Wish(filter="nothing")) == []
    assert "  nothing matches the filter" in screen(board(), Wish(filter="nothing"))
    assert names(Wish(cpu=True)) == ["box/cpu", "box/gpu0", "box/gpu1", "box/gpu2", "far/cpu"]


def test_a_lost_host_is_one_line_whatever_the_filter_and_comes_back() -> None:
    found = board()
    found.hear(HostLost(host="box", reason="the connection was lost"), "box")
    lines = screen(found, Wish(filter="far"))
    assert any(each.split() == ["box", "lost:", "the", "connection", "was", "lost"] for each in lines)
    assert "1 lost" in lines[0]
    found.hear(BOX, "box")
    assert "lost" not in " ".join(screen(found))
    past = next(row.past for row in found.rows() if row.name == "box/gpu0")
    assert past == (0.9, None, 0.9)


def test_a_gpu_that_cannot_be_read_says_why_until_it_tells_something_again() -> None:
    """Its host was started anew, or its driver was."""
    found = board()
    lack = Lack(host="box", device="gpu0", field="*", reason="GPU is lost", time=NOON)
    lost = CardState(host="box", device="gpu0", time=NOON, lost=True)
    silent = DeviceSample(host="box", device="gpu0", time=NOON, emulated=False, xids=(79,))
    found.hear(replace(BOX, devices=(silent,), lacks=(lack,), cards=(lost,)), "box")
    found.hear(replace(BOX, devices=(replace(silent, xids=None),), cards=()), "box")
    assert " ".join(screen(found)[3].split()).startswith("box gpu0 GPU is lost; Xid 79 at ")
    assert "in trouble: box/gpu0" in screen(found)[1]
    assert next(row.card.model for row in found.rows() if row.card) == "RTX 4090"
    found.hear(HostLost(host="box", reason="the connection was lost"), "box")
    assert "in trouble: box" in screen(found)[1]
    found.hear(replace(BOX, devices=(gpu("gpu0"),)), "box")
    assert "lost" not in " ".join(screen(found))
    assert found.frame(NOON).hosts[0].lacks == ()


def test_what_is_said_once_stays_on_the_screen_and_in_plain_lines() -> None:
    """An Xid comes with one look of two seconds, at which nobody may have looked; errors of the memory are counted."""
    found = board()
    sick = replace(CARDS[1], ecc_uncorrected=2, remap_pending=True, mig=True)
    found.hear(replace(BOX, devices=(gpu("gpu1"), gpu("gpu2")), cards=(sick,)), "box")
    told = {row.name: plain_line(row, NOON) for row in found.rows()}
    assert "Xid 79 at " in told["box/gpu2"]
    assert told["box/gpu1"].endswith("ECC 2, remap pending, MIG")
    assert found.frame(NOON).hosts[0].mishaps == (Mishap(device="gpu2", xid=79, time=NOON),)


def test_who_is_in_trouble_is_named_wherever_his_row_is_and_as_many_as_fit() -> None:
    """The row itself may be filtered away, or below the window."""
    found = board()
    assert "in trouble: box/gpu0, box/gpu2" in screen(found, Wish(filter="far"))[1]
    found.hear(replace(BOX, devices=tuple(gpu(f"gpu{at}", throttle=0x40) for at in range(12))), "box")
    assert screen(found, width=86)[1].endswith("  in trouble: box/gpu0, box/gpu1, box/gpu2 and 9 more")
    assert screen(found, width=48)[1].endswith("in trouble: 12")


def test_rows_that_do_not_fit_are_scrolled_to() -> None:
    """To the last one and not beyond; another order or filter begins at its top."""
    wish = Wish(cpu=True)
    seen = []
    for _ in range(6):
        seen.append([row.split()[1] for row in screen(board(), wish, height=7)[3:5]])
        wish = scrolled(pressed(wish, DOWN), 5, 7)
    last = ["gpu2", "cpu"]
    assert seen == [["cpu", "gpu0"], ["gpu0", "gpu1"], ["gpu1", "gpu2"], last, last, last]
    assert screen(board(), wish, height=7)[5] == "  rows 4 to 5 of 5: ↑ ↓, page keys, or a filter"
    assert pressed(wish, PAGE_UP, 2).top == 1
    assert (pressed(wish, "b").top, pressed(pressed(wish, "/"), "a").top) == (0, 0)
    assert scrolled(wish, 5, 40).top == 0


def test_emulated_figures_are_marked() -> None:
    found = board()
    found.hear(replace(BOX, devices=(gpu("gpu0", emulated=True),)), "box")
    assert any("emulated" in each for each in screen(found))
    assert " EMULATED " in screen(found)[1]
    assert any(plain_line(row, NOON).endswith("emulated") for row in found.rows())


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 132, 250])
@pytest.mark.parametrize("height", [4, 6, 9, 40])
def test_it_fits_every_window(width: int, height: int) -> None:
    """Columns go one by one; how busy a device is stays to the last. Rows that do not fit are counted."""
    lines = watch_lines(board().rows(), Wish(sort=Sort.HEAT), NOON, width, height, title="prod")
    assert len(lines) <= height
    assert all(each.width <= width for each in lines)
    assert any("gpu0" in each.text for each in lines) or height < 6
    if height == 6:
        assert any("rows 1 to 1 of 4" in each.text for each in lines)


def test_without_unicode_the_past_is_drawn_in_ascii() -> None:
    assert spark((0.0, 0.5, None, 1.0), 6) == "  ▁▅ █"
    assert spark((0.0, 0.5, None, 1.0), 6, ascii_only=True) == "  _= #"
    assert spark(tuple([1.0] * 10), 4) == "████"


def test_the_past_is_bounded() -> None:
    found = board()
    for _ in range(HISTORY + 5):
        found.hear(FAR, "far")
    assert all(len(row.past) <= HISTORY for row in found.rows())


def test_a_plain_line_names_every_figure() -> None:
    lines = [plain_line(row, NOON)[10:] for row in chosen(board().rows(), Wish())]
    assert lines[0] == (
        "box/gpu0  busy 90 %  mem 8.0/24G  power 400/450W  temp 86C  clock 2.50G  pcie 4×16  in/out 2.0/1.0G  too hot"
    )
    assert lines[3] == "far/cpu  busy 75 %  psi-cpu 31 %  psi-io 1 %"


def test_keys() -> None:
    wish = Wish()
    assert pressed(wish, "b").sort is Sort.BUSY
    assert pressed(pressed(wish, "r"), "r") == wish
    assert (pressed(wish, "c").cpu, pressed(wish, " ").paused, pressed(wish, "q").quit) == (True, True, True)
    assert pressed(wish, "x") == wish
    typed = wish
    for key in "/qb\x7fo":
        typed = pressed(typed, key)
    assert (typed.filter, typed.typing, typed.quit) == ("qo", True, False)
    assert pressed(typed, "\r") == replace(typed, typing=False)
    assert pressed(typed, "\x1b").filter == ""
    assert pressed(typed, "\x03").quit


@given(st.text(max_size=30))
def test_no_key_is_an_error(keys: str) -> None:
    wish = Wish()
    for key in keys:
        wish = pressed(wish, key)
    assert len(wish.filter) <= 40


@settings(max_examples=30, deadline=None)
@given(values_of(Look), st.sampled_from(list(Sort)))
def test_whatever_a_host_says_the_screen_is_whole(look: Look, sort: Sort) -> None:
    """Names with escape sequences, figures of any size: every line fits, and nothing steers the terminal."""
    found = Board(HOSTS)
    found.hear(look, "box")
    lines = watch_lines(found.rows(), Wish(sort=sort, cpu=True), NOON, 80, 24, title="prod")
    assert all(each.width <= 80 for each in lines)
    assert not any("\x1b" in plain_line(row, NOON) for row in found.rows())
