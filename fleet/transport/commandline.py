"""One command line that POSIX shells, fish and csh all read alike, and the mark that says the program now starts.

A login shell is whatever its user likes; it is only asked to run `exec /bin/sh -c '…'` with a script that has no
quote, exclamation mark, newline or double backslash in it, which is all that those shells read differently. The script
prints a mark and its process id, then becomes the program: what rc files print before the mark is not the program's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

MARK = b"\x1efleet\x1e"
NOISE_LIMIT = 64 * 2**10
"""Bytes of a login shell's own output that are kept while the mark is waited for."""
READS_STDIN = "exec /bin/sh -s"
"""The command line of a shell that reads its program from stdin, and says the mark itself."""
LINE_LIMIT = 100_000
"""Characters of a command line; Linux takes 128 KiB in one argument, and the login shell gets it as one."""

_MARKED = re.compile(MARK + rb"([1-9][0-9]{0,9})\n")
_PLAIN = re.compile(r"[A-Za-z0-9_./-][A-Za-z0-9_./:=@%+,-]*\Z")
_LITERAL = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:=@+,- ")
_SAY_MARK = r'printf "\036fleet\036%s\n" $$'
_SHELL = ("/bin/sh", "-s")
_UNFED = " </dev/null"
# Command substitution drops newlines at the end; the x keeps them and is cut off again.
_ADD_ENCODED = r'w=$(printf %b "{}x"); set -- "$@" "${{w%x}}"'


def command_line(argv: Sequence[str], *, fed: bool = True) -> str:
    """The text to hand to any login shell so that it becomes this program. ValueError for what no shell can run.

    A program that is not `fed` finds its stdin at its end.
    """
    if not argv or not argv[0] or any("\0" in word for word in argv):
        raise ValueError("a command needs a program, and no word may hold a zero byte")
    if all(_PLAIN.match(word) for word in argv):
        script = f"{_SAY_MARK}; exec {' '.join(argv)}{'' if fed else _UNFED}"
    else:
        words = (_ADD_ENCODED.format(_encoded(word)) for word in argv)
        script = "; ".join(("set --", *words, _SAY_MARK, f'exec "$@"{"" if fed else _UNFED}'))
    if len(script) > LINE_LIMIT:
        raise ValueError("the command is too long for a command line; send the long part to its stdin")
    return f"exec /bin/sh -c '{script}'"


def begun(argv: Sequence[str], stdin: bytes) -> tuple[str, bytes]:
    """The command line, and what to send to its stdin. A shell that reads its program there says the mark itself.

    That spares the host a shell between the login shell and this one.
    """
    if tuple(argv) == _SHELL and stdin:
        return READS_STDIN, f"{_SAY_MARK}\n".encode() + stdin
    return command_line(argv, fed=bool(stdin)), stdin


def _encoded(word: str) -> str:
    """The word for `printf %b`: octal for every byte that some shell might take for more than itself."""
    return "".join(chr(byte) if byte in _LITERAL else f"\\0{byte:03o}" for byte in word.encode())


class Preamble:
    """Splits a program's stdout from what its login shell printed before it (`noise`); learns the process id."""

    def __init__(self) -> None:
        self.noise = b""
        self.pid: int | None = None

    def feed(self, data: bytes) -> bytes:
        """The part of `data` that is the program's own."""
        if self.pid is not None:
            return data
        heard = self.noise + data
        mark = _MARKED.search(heard)
        if mark is None:
            self.noise = heard[-NOISE_LIMIT:]
            return b""
        self.noise = heard[: mark.start()]
        self.pid = int(mark[1])
        return heard[mark.end() :]
