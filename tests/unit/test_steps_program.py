"""Frames: what stands between two marks with the nonce is an answer, and nothing else ever is."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.model.playbook import Change, DirectoryStep, ScriptStep
from fleet.plan.shell.program import SAID_LIMIT, Answer, Piece, answers, program
from fleet.plan.shell.quoting import path, tame
from fleet.plan.steps import compile_changes, compile_questions

NONCE = "0123456789abcdef0123456789abcdef"
OTHER = "fedcba9876543210fedcba9876543210"


def frame(label: str, said: bytes, status: int, nonce: str = NONCE) -> bytes:
    """As the shell function `framed` prints it."""
    return f"\n=fleet-{nonce}:{label}:\n".encode() + said + f"\n=fleet-{nonce}:{label}:{status}\n".encode()


noise = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=100).map(str.encode),
    st.builds(frame, st.sampled_from(["ask_0", "ask_1", "look_0"]), st.binary(max_size=20), st.integers(0, 255)).map(
        lambda forged: forged.replace(NONCE.encode(), OTHER.encode())
    ),
    st.sampled_from([b"\n=fleet-:ask_0:\nright\n=fleet-:ask_0:0\n", b"\n=fleet-", b"\x1b[2J\n", b"\n"]),
)


@given(st.lists(noise, min_size=1, max_size=6))
def test_frames_without_the_nonce_never_give_an_answer(parts: list[bytes]) -> None:
    assert answers(b"".join(parts), NONCE) == {}


@given(st.lists(st.tuples(noise, st.binary(max_size=300), st.integers(0, 255)), max_size=5), noise)
def test_every_answer_is_found_whatever_lies_between(parts: list[tuple[bytes, bytes, int]], end: bytes) -> None:
    """What was said comes back byte by byte, noise before and between, text that looks like a frame inside."""
    sent = [(f"ask_{i}", said, status) for i, (_, said, status) in enumerate(parts)]
    stream = b"".join(before + frame(*one) for (before, _, _), one in zip(parts, sent, strict=True)) + end
    expected = {label: Answer(status=status, text=said.decode("utf-8", "replace")) for label, said, status in sent}
    assert answers(stream, NONCE) == expected


def test_an_answer_that_was_cut_off_is_none() -> None:
    whole = frame("ask_0", b"right", 0) + frame("ask_1", b"right", 0)
    for end in range(len(whole) - 1, len(frame("ask_0", b"right", 0)), -1):
        assert set(answers(whole[:end], NONCE)) == {"ask_0"}


def test_an_answer_that_comes_twice_is_not_believed() -> None:
    with pytest.raises(ValueError, match="damaged"):
        answers(frame("ask_0", b"", 1) + frame("ask_0", b"", 0), NONCE)


def test_an_answer_without_end_is_not_read() -> None:
    assert len(answers(frame("ask_0", b"x" * SAID_LIMIT, 0), NONCE)["ask_0"].text) == SAID_LIMIT
    with pytest.raises(ValueError, match="damaged"):
        answers(frame("ask_0", b"x" * (SAID_LIMIT + 1), 0), NONCE)


@pytest.mark.parametrize("nonce", ["", "short", "0123456789ABCDEF0", "$(reboot)0123456789", "0" * 65, NONCE + "\n"])
def test_a_nonce_of_another_shape_makes_no_program(nonce: str) -> None:
    with pytest.raises(ValueError, match="hexadecimal"):
        program([Piece(label="ask_0", text="true")], nonce)


def test_a_label_that_is_no_word_makes_no_program() -> None:
    with pytest.raises(ValueError, match="label"):
        program([Piece(label="ask_0; reboot", text="true")], NONCE)


def test_all_questions_of_a_playbook_are_one_program_in_order() -> None:
    steps = (DirectoryStep(name="a", path="/a"), ScriptStep(name="b", unless="true", run="false"))
    text = compile_questions(steps, NONCE)
    assert re.findall(r"^(?:framed|held) .*$", text, re.MULTILINE) == ["held ask_0", "framed ask_1"]


def test_a_failing_change_ends_the_program_and_each_change_is_followed_by_its_second_look() -> None:
    """A step that was right (1) is left out; one that only earlier changes could cure (2) is looked at."""
    steps = tuple(ScriptStep(name=str(i), unless="true") for i in range(4))
    changes = {3: Change(summary="", script="touch d"), 0: Change(summary="", script="touch a"), 2: None}
    calls = re.findall(r"^framed .*$", compile_changes(steps, changes, NONCE), re.MULTILINE)
    pieces = ("change_0", "look_0", "look_2", "change_3", "look_3", "")
    assert calls == [f"framed {piece} {then}".rstrip() + " || exit 0" for piece, then in pairwise(pieces)]


@given(st.text())
def test_tamed_text_has_nothing_a_terminal_obeys_and_is_bounded(text: str) -> None:
    tamed = tame("x" + text, 50)
    assert len(tamed) <= 52
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", tamed)


@pytest.mark.parametrize(
    ("raw", "tamed"),
    [
        ("\x1b[31mred\x1b[0m\x1b]0;title\x07 text", "red text"),
        ("10 %\r20 %\r\nend\n", "10 %\n20 %\nend"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("safe\u202etxt.exe", "safetxt.exe"),
        ("\x9b31mC1", "31mC1"),
    ],
)
def test_tamed_text_keeps_its_words(raw: str, tamed: str) -> None:
    assert tame(raw) == tamed


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(lambda text: text[0] != "~"))
def test_a_path_is_one_word_that_no_tool_takes_for_an_option(text: str) -> None:
    quoted = path(text)
    assert quoted.startswith(("'./-", "./-") if text.startswith("-") else (text[0], "'"))
    assert "\n" not in quoted
