"""The known_hosts file, read and added to as OpenSSH does: names may be hashed, and no other line is ever touched."""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import hmac
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

from fleet.errors import HostKeyError
from fleet.model.trust import HostKey, Introduction

SSH_PORT = 22
_REPAIR = "repair the file or name another"


def known_as(address: str, port: int) -> str:
    """A host's name in the file: `box`, or `[box]:2222` where the port is not SSH's own."""
    return address if port == SSH_PORT else f"[{address}]:{port}"


def pinned(file: Path, name: str) -> tuple[HostKey, ...]:
    """The keys that the file has for a host. HostKeyError where the file, or a line about the host, is damaged."""
    return tuple(_key(file, line) for line in _lines(file) if _concerns(line, name))


def revoked(file: Path, name: str) -> tuple[HostKey, ...]:
    """The keys that the file says are revoked for a host (`@revoked` lines, also of patterns)."""
    return tuple(_key(file, text) for text in _marked(file, "@revoked", name))


def certified(file: Path, name: str) -> bool:
    """Whether the file has an authority that signs this host's keys (`@cert-authority` lines)."""
    return any(_marked(file, "@cert-authority", name))


def _marked(file: Path, mark: str, name: str) -> Iterator[str]:
    """What follows the mark in its lines about a host; `*` and `?` stand for anything, `!` for all but."""
    for line in _lines(file):
        first, _, text = line.partition(" ")
        if first != mark or not text.split():
            continue
        patterns = text.split(maxsplit=1)[0].split(",")
        if any(not one.startswith("!") and _is_like(one, name) for one in patterns) and not any(
            one.startswith("!") and _is_like(one[1:], name) for one in patterns
        ):
            yield text


def _is_like(pattern: str, name: str) -> bool:
    return _is(pattern, name) or fnmatchcase(name, pattern.replace("[", "[[]"))


def pin(file: Path, introductions: Sequence[Introduction]) -> None:
    """Pin what these hosts offered; other keys of theirs go, other lines stay. A reader sees all of it or none.

    A file that is made is 0600, in a folder that is 0700. HostKeyError where it cannot be written.
    """
    wanted = tuple(dict.fromkeys(_entry(one) for one in introductions))
    outdated = frozenset(one.known_as for one in introductions if one.pinned)
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _turn(file.parent):
            if outdated:
                _rewrite(file.resolve(), (*_without(_lines(file), outdated), *wanted))
            else:
                _append(file, wanted)
    except OSError as error:
        raise HostKeyError(f"{file} cannot be written: {error.strerror}", hint=_REPAIR) from error


def unpin(file: Path, name: str) -> None:
    """Take out what is pinned for this host; other lines stay. HostKeyError where the file cannot be written."""
    if not any(_concerns(line, name) for line in _lines(file)):
        return
    try:
        with _turn(file.parent):
            _rewrite(file.resolve(), _without(_lines(file), frozenset({name})))
    except OSError as error:
        raise HostKeyError(f"{file} cannot be written: {error.strerror}", hint=_REPAIR) from error


def _entry(one: Introduction) -> str:
    return f"{one.known_as} {one.offered.kind} {base64.b64encode(one.offered.blob).decode()}"


def _lines(file: Path) -> tuple[str, ...]:
    try:
        now = file.stat()
        return _read(file, (now.st_ino, now.st_mtime_ns, now.st_size))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise HostKeyError(f"{file} cannot be used: {error.strerror}", hint=_REPAIR) from error


@lru_cache(maxsize=8)
def _read(file: Path, stamp: tuple[int, int, int]) -> tuple[str, ...]:
    """Once for all hosts, as long as the file is the one of that stamp."""
    del stamp
    # Bytes that are no UTF-8 go through unchanged; only "\n" ends a line.
    return tuple(file.read_text("utf-8", "surrogateescape").removesuffix("\n").split("\n"))


def _names(line: str) -> list[str]:
    """The names that a line is about; none for a comment, and for `@cert-authority` and `@revoked` lines."""
    return [] if line.startswith(("#", "@")) or not line.strip() else line.split(maxsplit=1)[0].split(",")


def _concerns(line: str, name: str) -> bool:
    return any(_is(written, name) for written in _names(line))


def _is(written: str, name: str) -> bool:
    """Whether a name in the file is this one; hashed it is `|1|SALT|HMAC-SHA1` (`HashKnownHosts` of ssh_config)."""
    if not written.startswith("|1|"):
        return written == name
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in written[3:].split("|"))
    except ValueError:
        return False
    return hmac.compare_digest(digest, hmac.new(salt, name.encode(), hashlib.sha1).digest())


def _key(file: Path, line: str) -> HostKey:
    try:
        _, kind, text, *_ = line.split()
        blob = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error) as error:
        raise HostKeyError(f"{file} cannot be used: a line is no host key: {line[:60]!r}", hint=_REPAIR) from error
    return HostKey(kind=kind, blob=blob)


def _without(lines: Iterable[str], names: frozenset[str]) -> Iterator[str]:
    """The lines without these hosts; a line that is about others too keeps those."""
    for line in lines:
        written = _names(line)
        left = [one for one in written if not any(_is(one, name) for name in names)]
        if left == written:
            yield line
        elif left:
            yield f"{','.join(left)} {line.split(maxsplit=1)[1]}"


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """One fleet at a time writes into the folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _append(file: Path, entries: Sequence[str]) -> None:
    """One write at the end, as ssh itself does, so that neither can cut the other's line in two."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        open_line = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        data = (b"\n" if open_line else b"") + "".join(f"{entry}\n" for entry in entries).encode()
        if os.write(descriptor, data) != len(data):
            os.ftruncate(descriptor, size)
            raise OSError(0, "the disk is full")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _rewrite(file: Path, lines: Iterable[str]) -> None:
    """A new file in the place of the old one, with its mode."""
    descriptor, part = tempfile.mkstemp(dir=file.parent, prefix=f"{file.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))
            stream.flush()
            os.fchmod(stream.fileno(), file.stat().st_mode & 0o777)
            os.fsync(stream.fileno())
        Path(part).replace(file)
    except BaseException:
        with suppress(OSError):
            Path(part).unlink()
        raise
