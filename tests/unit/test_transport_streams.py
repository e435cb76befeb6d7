"""Streams from hosts: bounded, split into lines, drained while the program is fed, and safe to show."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.errors import CommandError, ConnectError
from fleet.transport.hearsay import hearsay, in_brief
from fleet.transport.streams import TAIL_LIMIT, Kept, Lines, Tail, pump


@given(st.lists(st.binary(max_size=20)), st.integers(0, 50))
def test_kept_is_the_beginning(pieces: list[bytes], limit: int) -> None:
    kept = Kept(limit)
    for piece in pieces:
        kept.feed(piece)
    whole = b"".join(pieces)
    assert bytes(kept.data) == whole[:limit]
    assert kept.truncated == (len(whole) > limit)


def test_tail_is_the_end() -> None:
    tail = Tail()
    for number in range(3000):
        tail.feed(f"line {number}\n".encode())
    assert tail.text.endswith("line 2998\nline 2999")
    assert len(tail.text) <= TAIL_LIMIT


def all_lines(lines: Lines) -> list[str]:
    found = []
    while (line := lines.take(1)) is not None:
        found.append(line)
    return found


@given(st.binary(max_size=200), st.integers(1, 9))
def test_lines_do_not_depend_on_how_the_stream_is_cut(stream: bytes, step: int) -> None:
    lines = Lines("box")
    for at in range(0, len(stream), step):
        lines.feed(stream[at : at + step])
    lines.end()
    expected = [part.decode("utf-8", "replace") for part in stream.split(b"\n")]
    assert all_lines(lines) == (expected if expected[-1] else expected[:-1])


def test_silence_is_an_error_that_names_the_host() -> None:
    with pytest.raises(CommandError, match=r"box: said nothing for 10 ms"):
        Lines("box").take(0.01)


def test_an_endless_line_ends_the_talk_but_not_the_lines_before_it() -> None:
    lines = Lines("box", limit=100)
    lines.feed(b"good\n" + b"x" * 101)
    lines.feed(b"\nmore\n")
    assert lines.take(0) == "good"
    for _ in range(2):
        with pytest.raises(CommandError, match="a line of more than 100 B"):
            lines.take(0)


def test_the_lost_link_is_reported_after_what_was_said() -> None:
    lines = Lines("box")
    lines.feed(b"one\ntwo")
    lines.end(ConnectError("gone", host="box"))
    assert (lines.take(0), lines.take(0)) == ("one", "two")
    with pytest.raises(ConnectError):
        lines.take(0)


def test_after_our_own_end_a_lost_link_is_no_news() -> None:
    lines = Lines("box")
    lines.end()
    lines.end(ConnectError("gone", host="box"))
    assert lines.take(0) is None


def test_a_fast_host_waits_for_a_slow_reader() -> None:
    """No more than the limit, and one piece, is ever held."""
    lines = Lines("box", limit=1000)
    fed: list[int] = []

    def feed() -> None:
        for number in range(100):
            lines.feed(b"x" * 99 + b"\n")
            fed.append(number)
        lines.end()

    feeder = threading.Thread(target=feed)
    feeder.start()
    feeder.join(0.2)
    assert feeder.is_alive()
    assert len(fed) <= 11
    assert len(all_lines(lines)) == 100
    feeder.join(5)
    assert not feeder.is_alive()


def test_ending_frees_a_feeder_that_waits() -> None:
    lines = Lines("box", limit=10)
    lines.feed(b"0123456789\nx\n")
    feeder = threading.Thread(target=lines.feed, args=(b"more\n",))
    feeder.start()
    lines.end()
    feeder.join(5)
    assert not feeder.is_alive()


def test_a_broken_stream_is_an_ended_one() -> None:
    got: list[bytes] = []
    answers = iter([b"a", b"b"])

    def read() -> bytes:
        try:
            return next(answers)
        except StopIteration:
            raise OSError from None

    pump(read, got.append)
    assert got == [b"a", b"b"]


@given(st.binary(max_size=300))
def test_hearsay_cannot_touch_a_terminal(data: bytes) -> None:
    assert all(char.isprintable() or char == "\n" for char in hearsay(data, 100))
    assert "\n" not in in_brief(data)


def test_hearsay_drops_escape_sequences_whole() -> None:
    coloured = b"\x1b[31mred\x1b[0m \x1b]0;a new window title\x07ok\x00\x9b\r\nnext"
    assert in_brief(coloured) == "red ok\N{REPLACEMENT CHARACTER} next"
