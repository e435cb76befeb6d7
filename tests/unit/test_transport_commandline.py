"""The command line that every login shell reads alike, and the mark that splits its noise from the program."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.transport.commandline import LINE_LIMIT, MARK, NOISE_LIMIT, Preamble, command_line

WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)


def spoken(line: str) -> list[str]:
    """The words that a POSIX shell would get out of the command line, read by its documented form only."""
    plain = re.fullmatch(r"exec /bin/sh -c 'printf \"\\036fleet\\036%s\\n\" \$\$; exec ([^$]+)'", line)
    if plain:
        return plain[1].split(" ")
    encoded = re.findall(r'w=\$\(printf %b "(.*?)x"\); set -- "\$@" "\$\{w%x\}"', line)
    return [re.sub(rb"\\0([0-3][0-7]{2})", lambda m: bytes([int(m[1], 8)]), w.encode()).decode() for w in encoded]


@given(st.lists(WORDS, min_size=1).filter(lambda argv: argv[0] != ""))
def test_words_survive(argv: list[str]) -> None:
    """Whatever the words hold, the program gets exactly them."""
    assert spoken(command_line(argv)) == argv


@given(st.lists(WORDS, min_size=1).filter(lambda argv: argv[0] != ""))
def test_nothing_in_it_means_different_things_to_different_shells(argv: list[str]) -> None:
    """Inside the single quotes stand no quote, `!`, line end or double backslash, and only plain ASCII."""
    script = command_line(argv).removeprefix("exec /bin/sh -c '").removesuffix("'")
    assert re.fullmatch(r"[ -&(-~]*", script)
    assert "!" not in script
    assert "\\\\" not in script


def test_plain_words_stay_readable() -> None:
    """The command that a process list on the host shows is the command that was asked for."""
    assert "exec /bin/sh -s'" in command_line(("/bin/sh", "-s"))


@pytest.mark.parametrize("argv", [("echo", "plain"), ("echo", "with space")])
def test_a_program_that_is_not_fed_finds_its_stdin_at_its_end(argv: tuple[str, ...]) -> None:
    """So nobody has to send it an end, which may come when its channel is gone already."""
    assert command_line(argv, fed=False).endswith(" </dev/null'")
    assert "/dev/null" not in command_line(argv)


@pytest.mark.parametrize(
    "argv", [(), ("",), ("cat", "a\0b"), ("echo", "x" * LINE_LIMIT)], ids=["none", "empty", "zero byte", "too long"]
)
def test_what_no_shell_can_run_is_refused(argv: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="command"):
        command_line(argv)


@given(st.binary(max_size=200).filter(lambda noise: MARK not in noise), st.binary(max_size=200), st.integers(1, 7))
def test_the_mark_splits_noise_from_program(noise: bytes, said: bytes, step: int) -> None:
    """However the stream is cut into pieces, exactly the program's own bytes come out."""
    stream = noise + MARK + b"4321\n" + said
    preamble = Preamble()
    out = b"".join(preamble.feed(stream[at : at + step]) for at in range(0, len(stream), step))
    assert (out, preamble.noise, preamble.pid) == (said, noise, 4321)


def test_endless_noise_is_bounded() -> None:
    """A login shell that talks without end fills no memory and starts no program."""
    preamble = Preamble()
    for _ in range(100):
        assert preamble.feed(b"x" * 10_000) == b""
    assert len(preamble.noise) == NOISE_LIMIT
    assert preamble.pid is None


@pytest.mark.parametrize("pid", [b"0", b"", b"-1", b"x", b"12345678901"])
def test_a_mark_with_a_bad_process_id_is_noise(pid: bytes) -> None:
    """Signals to group 0 or -1 would go to everything."""
    preamble = Preamble()
    preamble.feed(MARK + pid + b"\n")
    assert preamble.pid is None
