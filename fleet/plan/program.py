"""Shell programs that answer: the pieces framed by a nonce, and their answers read back.

A program arrives whole or not at all: it is one brace group, so that a POSIX shell parses all of it before it runs
any of it, and nothing that it runs can eat the rest of it from stdin. Every answer stands between two marker lines
that carry a fresh nonce; whatever else a host writes (banners, rc files, chatty tools) is outside of them and ignored.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from fleet.plan.shell import BRIEF_LIMIT

SAID_LIMIT = 128 * 2**10
"""Bytes that one answer may have."""

_NONCE = re.compile(r"[0-9a-f]{16,64}\Z")
_LABEL = re.compile(r"[a-z]+(?:_[0-9]+)?\Z")

_PROGRAM = """\
{{
LC_ALL=C; export LC_ALL
# Runs a piece and frames what it says; its exit status is part of the answer. (A piece's function is never named as a
# program could be: a piece `python` that runs `python` would run itself.)
framed() {{
    printf '\\n=fleet-{nonce}:%s:\\n' "$1"
    "piece_$1" 2>&1
    came=$?
    printf '\\n=fleet-{nonce}:%s:%s\\n' "$1" "$came"
    return "$came"
}}
# Runs a program that is not ours: only the end of what it says is kept, and its exit status.
briefly() {{
    status=$({{ {{ "$@" 2>&1 3>&- 4>&-; echo "$?" >&4; }} | tail -c {brief} >&3; }} 4>&1)
    return "$status"
}}
# What `ls` shows of a path comes into `seen`, the SHA-256 of a file into `sum`. Neither starts a program for a path
# that `glance` has looked at, which starts two for all of its paths together.
nl='
'
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

    The text runs in a subshell of its own. It may call `briefly PROGRAM ARGUMENT…` for what is not ours, `look_at PATH`
    (sets `seen` to the path's line of `ls -ldLn`) and `digest_of PATH` (sets `sum` to a file's SHA-256, or to nothing).
    `paths`: what it calls these two with; where no piece changes anything, `program` may look at them beforehand.
    `plain`: the text ends by `return`, never by `exit`, and leaves nothing behind but variables that nobody else reads:
    it needs no subshell, and a process less is started.
    """

    label: str
    text: str
    vital: bool = False
    paths: tuple[str, ...] = ()
    plain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a piece said on stdout and stderr, and its exit status (0 to 255)."""

    status: int
    text: str


def program(pieces: Sequence[Piece], nonce: str) -> str:
    """One POSIX shell program, for the stdin of `/bin/sh -s`, that runs the pieces in order and frames each answer.

    `nonce`: 16 to 64 hexadecimal digits, new for each program. ValueError for another nonce or a label of odd shape.
    """
    if not _NONCE.match(nonce) or not all(_LABEL.match(piece.label) for piece in pieces):
        raise ValueError("a nonce is 16 to 64 hexadecimal digits, a label a word and perhaps a number")
    return _PROGRAM.format(
        nonce=nonce,
        brief=BRIEF_LIMIT,
        functions="\n".join(map(_function, pieces)),
        calls="\n".join(line for at in range(0, len(pieces), GLANCES) for line in _calls(pieces[at : at + GLANCES])),
    )


def _function(piece: Piece) -> str:
    start, end = ("{", "}") if piece.plain else ("(", ")")
    return f"piece_{piece.label}() {start}\n{piece.text.rstrip()}\n{end}"


def _calls(pieces: Sequence[Piece]) -> Iterator[str]:
    """The lines that run a few pieces, after a glance at their paths; a lone path is no dearer without."""
    paths = tuple(dict.fromkeys(path for piece in pieces for path in piece.paths if _GLANCED.match(path)))
    if len(paths) > 1:
        yield f"glance {shlex.join(paths)}"
    for piece in pieces:
        yield f"framed {piece.label}{' || exit 0' if piece.vital else ''}"


def answers(stdout: bytes, nonce: str) -> Mapping[str, Answer]:
    """The answers by label; a piece that did not run to its end has none.

    ValueError where an answer comes twice or is longer than SAID_LIMIT: then nothing is believed.
    """
    mark = re.escape(f"=fleet-{nonce}:").encode()
    frame = re.compile(rb"\n" + mark + rb"([a-z_0-9]+):\n(.*?)\n" + mark + rb"\1:([0-9]{1,3})\n", re.DOTALL)
    found: dict[str, Answer] = {}
    for label, said, status in frame.findall(stdout):
        if len(said) > SAID_LIMIT or label.decode() in found:
            raise ValueError("its answers are damaged")
        found[label.decode()] = Answer(status=int(status), text=said.decode("utf-8", "replace"))
    return MappingProxyType(found)
