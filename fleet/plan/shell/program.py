"""Shell programs that answer: the pieces framed by a nonce, and their answers read back.

A program arrives whole or not at all: it is one brace group, so that a POSIX shell parses all of it before it runs
any of it, and nothing that it runs can eat the rest of it from stdin. Every answer stands between two marker lines
that carry a fresh nonce; whatever else a host writes (banners, rc files, chatty tools) is outside of them and ignored.
"""

from __future__ import annotations

import re
import shlex
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from types import MappingProxyType

from fleet.plan.shell.quoting import BRIEF_LIMIT

SAID_LIMIT = 128 * 2**10
"""Bytes that one answer may have."""

_NONCE = re.compile(r"[0-9a-f]{16,64}\Z")
_BEGIN = re.compile(rb"([a-z_0-9]+):\n")
_END = re.compile(rb"([a-z_0-9]+):([0-9]{1,3})\n")
_LABEL = re.compile(r"[a-z]+(?:_[0-9]+)?\Z")

_PROGRAM = """\
{{
LC_ALL=C; export LC_ALL
nl='
'
# Runs a piece and frames what it says; its exit status is part of the answer. (A piece's function is never named as a
# program could be: a piece `python` that runs `python` would run itself.) Its end is printed with the beginning of the
# next one's frame: each time that a shell prints is a packet on the way.
framed() {{
    "piece_$1" 2>&1
    came=$?
    printf '\\n=fleet-{nonce}:%s:%s\\n%s' "$1" "$came" "${{2:+$nl=fleet-{nonce}:$2:$nl}}"
    return "$came"
}}
# A plain piece says a line by `say`. Where nothing is changed, what a few of them say is held back and printed at once:
# each time that a shell prints is a packet on the way. One that has another program print calls `aloud` before.
hold=
said=
say() {{
    if [ -n "$hold" ]; then said=$said$1$nl; else printf '%s\n' "$1"; fi
}}
aloud() {{
    printf %s "$said"
    said=
}}
held() {{
    said="$said$nl=fleet-{nonce}:$1:$nl"
    hold=yes
    "piece_$1" 2>&1
    came=$?
    hold=
    said="$said$nl=fleet-{nonce}:$1:$came$nl"
}}
# Runs a program that is not ours: only the end of what it says is kept, and its exit status.
briefly() {{
    status=$({{ {{ "$@" 2>&1 3>&- 4>&-; echo "$?" >&4; }} | tail -c {brief} >&3; }} 4>&1)
    return "$status"
}}
# What `ls` shows of a path comes into `seen`, the SHA-256 of a file into `sum`. Neither starts a program for a path
# that `glance` has looked at, which starts two for all of its paths together.
listed=
summed=
look_at() {{
    case $listed in
    *" $1$nl"*) seen=${{listed%%" $1$nl"*}}; seen=${{seen##*"$nl"}} ;;
    *) seen=$(ls -ldLn -- "$1") ;;
    esac
}}
digest_of() {{
    case $summed in
    *"  $1$nl"*) sum=${{summed%%"  $1$nl"*}}; sum=${{sum##*"$nl"}} ;;
    *) sum=$(sha256sum <"$1" 2>/dev/null) || sum=$(shasum -a 256 <"$1" 2>/dev/null) || sum= ;;
    esac
    sum=${{sum%% *}}
}}
glance() {{
    listed=$nl$(ls -ldLn -- "$@" 2>/dev/null)$nl
    for one do
        shift
        [ -f "$one" ] && [ -r "$one" ] && set -- "$@" "$one"
    done
    summed=
    [ "$#" -eq 0 ] || summed=$nl$(sha256sum -- "$@" 2>/dev/null)$nl
}}
{functions}
{calls}
exit 0
}} 3>&1 </dev/null
"""
_GLANCED = re.compile(r"[A-Za-z0-9_./-]+\Z")
"""Paths that `ls` and `sha256sum` show as they are, and that no other path of such a shape can be mistaken for."""
GLANCES = 16
"""Pieces whose paths are looked at together: a shell searches what it found from its beginning for each of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Shell text under a label that is unique in its program (`ask_3`); `vital`: its failing ends the program.

    The text runs in a subshell of its own. It may call `say LINE`, `briefly PROGRAM ARGUMENT…` for what is not ours,
    `look_at PATH` (sets `seen` to the path's line of `ls -ldLn`) and `digest_of PATH` (sets `sum` to a file's SHA-256,
    or to nothing). `paths`: what it calls these two with; where no piece changes anything, `program` may look at them
    beforehand.
    `plain`: the text ends by `return`, never by `exit`, and leaves nothing behind but variables that nobody else reads:
    it needs no subshell, and a process less is started. It says what it has to say by `say`, and calls `aloud` before
    another program prints.
    """

    label: str
    text: str
    vital: bool = False
    paths: tuple[str, ...] = ()
    plain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a piece said on stdout and stderr, and its exit status (0 to 255). `said`: the text, byte by byte."""

    status: int
    text: str
    said: bytes = field(default=b"", repr=False, compare=False)


def program(pieces: Sequence[Piece], nonce: str, *, asks: bool = False) -> str:
    """One POSIX shell program, for the stdin of `/bin/sh -s`, that runs the pieces in order and frames each answer.

    `nonce`: 16 to 64 hexadecimal digits, new for each program. ValueError for another nonce or a label of odd shape.
    `asks`: it changes nothing, so that plain pieces in a row may answer together, in one packet.
    """
    if not _NONCE.match(nonce) or not all(_LABEL.match(piece.label) for piece in pieces):
        raise ValueError("a nonce is 16 to 64 hexadecimal digits, a label a word and perhaps a number")
    return _PROGRAM.format(
        nonce=nonce,
        brief=BRIEF_LIMIT,
        functions="\n".join(map(defined, pieces)),
        calls="\n".join(_calls(pieces, nonce, asks=asks)),
    )


def defined(piece: Piece) -> str:
    """The piece as a shell function, `piece_LABEL`."""
    start, end = ("{", "}") if piece.plain else ("(", ")")
    return f"piece_{piece.label}() {start}\n{piece.text.rstrip()}\n{end}"


def _calls(pieces: Sequence[Piece], nonce: str, *, asks: bool) -> Iterator[str]:
    """The lines that run the pieces, a few at a time after a glance at their paths."""
    looks = glances(pieces)
    for at, end in pairwise((*looks, len(pieces))):
        yield from looks[at]
        for held, row in groupby(pieces[at:end], lambda piece: asks and piece.plain):
            few = tuple(row)
            yield from _held(few) if held else _framed(few, nonce)


def _held(row: Sequence[Piece]) -> Iterator[str]:
    """The lines that run plain pieces, and print what they have said at their end."""
    yield from (f"held {piece.label}" for piece in row)
    yield "aloud"


def _framed(row: Sequence[Piece], nonce: str) -> Iterator[str]:
    """The lines that run pieces one by one, each of which prints its end with the beginning of the next."""
    following = [*(piece.label for piece in row[1:]), ""]
    yield f"printf '\\n=fleet-{nonce}:{row[0].label}:\\n'"
    for piece, label in zip(row, following, strict=True):
        yield f"framed {piece.label} {label}".rstrip() + (" || exit 0" if piece.vital else "")


def glances(pieces: Sequence[Piece]) -> Mapping[int, Sequence[str]]:
    """Before the first piece, and each that comes after GLANCES with a path: the line that looks at those to come.

    No line where there is one path: a glance at it is no cheaper.
    """
    with_paths = [at for at, piece in enumerate(pieces) if piece.paths]
    starts = [0, *with_paths[GLANCES::GLANCES]] if pieces else []
    found = {}
    for at, end in pairwise((*starts, len(pieces))):
        paths = tuple(dict.fromkeys(path for piece in pieces[at:end] for path in piece.paths if _GLANCED.match(path)))
        found[at] = (f"glance {shlex.join(paths)}",) if len(paths) > 1 else ()
    return MappingProxyType(found)


def answers(stdout: bytes, nonce: str) -> Mapping[str, Answer]:
    """The answers by label; a piece that did not run to its end has none.

    ValueError where an answer comes twice or is longer than SAID_LIMIT: then nothing is believed.
    """
    mark = f"\n=fleet-{nonce}:".encode()
    parts = stdout.split(mark)[1:]
    ends: defaultdict[bytes, deque[tuple[int, int]]] = defaultdict(deque)
    for at, part in enumerate(parts):
        if end := _END.match(part):
            ends[end[1]].append((at, int(end[2])))
    found: dict[str, Answer] = {}
    upto = 0
    for at, part in enumerate(parts):
        begin = _BEGIN.match(part) if at >= upto else None
        if begin is None:
            continue
        to_come = ends[begin[1]]
        while to_come and to_come[0][0] <= at:
            to_come.popleft()
        if not to_come:
            continue
        upto, status = to_come[0]
        said = mark.join(parts[at:upto])[begin.end() :]
        label = begin[1].decode()
        if len(said) > SAID_LIMIT or label in found:
            raise ValueError("its answers are damaged")
        found[label] = Answer(status=status, text=said.decode("utf-8", "replace"), said=said)
    return MappingProxyType(found)
