"""The known_hosts file: what is read from it, and that nothing but what was asked for changes in it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import stat
import threading
from pathlib import Path

import pytest

from fleet.errors import HostKeyError
from fleet.model.trust import HostKey, Introduction, KeyState
from fleet.transport.knownhosts import known_as, pin, pinned, unpin

OLD = HostKey(kind="ssh-ed25519", blob=b"old key")
NEW = HostKey(kind="ssh-ed25519", blob=b"new key")
RSA = HostKey(kind="ssh-rsa", blob=b"an rsa key")


def shown(name: str, offered: HostKey, *before: HostKey) -> Introduction:
    return Introduction(host=name, known_as=name, file="unused", offered=offered, pinned=before)


def entry(name: str, key: HostKey) -> str:
    return f"{name} {key.kind} {base64.b64encode(key.blob).decode()}"


def hashed(name: str) -> str:
    salt = b"twenty bytes of salt"
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "known_hosts"


def test_a_name_carries_the_port_unless_it_is_ssh_s_own() -> None:
    assert (known_as("box", 22), known_as("::1", 2222)) == ("box", "[::1]:2222")


@pytest.mark.parametrize("name", ["box", "other,box,10.0.0.1", "hashed", "box,!far"])
def test_a_host_is_found_by_any_of_its_names(file: Path, name: str) -> None:
    file.write_text(f"# {entry('box', RSA)}\n\n@revoked {entry('box', RSA)}\n{entry('boxes', RSA)}\n")
    with file.open("a") as stream:
        stream.write(entry(hashed("box") if name == "hashed" else name, OLD) + " a comment\n")
    assert pinned(file, "box") == (OLD,)


def test_a_file_that_is_not_there_pins_nothing(file: Path) -> None:
    assert pinned(file, "box") == ()


@pytest.mark.parametrize("rest", ["", " ssh-ed25519", " ssh-ed25519 %%%", " ssh-ed25519 \udcff\udcfe"])
def test_a_damaged_line_about_the_host_is_an_error_and_one_about_another_is_not(file: Path, rest: str) -> None:
    """A pin that cannot be read must not look like a host that was never pinned."""
    file.write_text(f"box{rest}\n{entry('far', OLD)}\n", encoding="utf-8", errors="surrogateescape")
    with pytest.raises(HostKeyError, match=r"known_hosts cannot be used.*repair"):
        pinned(file, "box")
    assert pinned(file, "far") == (OLD,)


def test_a_new_file_is_private(file: Path) -> None:
    deep = file.parent / ".ssh" / "known_hosts"
    pin(deep, [shown("box", NEW)])
    assert deep.read_text() == entry("box", NEW) + "\n"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (deep, deep.parent)] == [0o600, 0o700]


def test_an_entry_is_appended_and_an_open_last_line_is_ended_first(file: Path) -> None:
    before = b"far \xff\xfe no newline"
    file.write_bytes(before)
    file.chmod(0o644)
    pin(file, [shown("box", NEW), shown("box", NEW)])
    assert file.read_bytes() == before + b"\n" + entry("box", NEW).encode() + b"\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_a_changed_key_takes_the_place_of_all_the_old_ones_and_other_lines_stay(file: Path) -> None:
    """Byte by byte; a line that names another host too stays for that one; a link stays a link."""
    target = file.parent / "elsewhere"
    file.symlink_to(target)
    lines = ["# mine \udcff", "", entry("box", RSA), entry(f"far,box,{hashed('box')}", OLD), entry(hashed("box"), OLD)]
    text = "\n".join([*lines, entry(hashed("far"), OLD), "@revoked box ssh-rsa AAAA"])
    target.write_text(text, encoding="utf-8", errors="surrogateescape")
    target.chmod(0o640)
    pin(file, [shown("box", NEW, OLD, RSA), shown("third", NEW)])
    expected = [lines[0], "", entry("far", OLD), entry(hashed("far"), OLD), "@revoked box ssh-rsa AAAA"]
    expected += [entry("box", NEW), entry("third", NEW), ""]
    assert target.read_text(encoding="utf-8", errors="surrogateescape") == "\n".join(expected)
    assert file.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert sorted(path.name for path in file.parent.iterdir()) == ["elsewhere", "known_hosts"]


def test_many_at_once_lose_nothing(file: Path) -> None:
    """Those that append and those that rewrite take turns."""
    file.write_text("".join(f"{entry(f'old{n}', OLD)}\n" for n in range(4)))
    jobs = [[shown(f"new{n}", NEW)] for n in range(4)] + [[shown(f"old{n}", NEW, OLD)] for n in range(4)]
    threads = [threading.Thread(target=pin, args=(file, job)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = [f"{kind}{n}" for kind in ("new", "old") for n in range(4)]
    assert sorted(file.read_text().splitlines()) == sorted(entry(name, NEW) for name in names)


def test_a_file_that_cannot_be_written_is_one_line(file: Path) -> None:
    file.mkdir()
    with pytest.raises(HostKeyError, match=r"known_hosts cannot be written: Is a directory"):
        pin(file, [shown("box", NEW)])


@pytest.mark.parametrize(
    ("before", "state"),
    [((), KeyState.NEW), ((NEW,), KeyState.KNOWN), ((RSA, NEW), KeyState.KNOWN), ((OLD,), KeyState.CHANGED)],
)
def test_what_a_key_is_to_us(before: tuple[HostKey, ...], state: KeyState) -> None:
    assert shown("box", NEW, *before).state is state


def test_a_key_of_another_type_than_the_pinned_ones_is_a_changed_key() -> None:
    """As for OpenSSH: a man in the middle would offer a type that is not pinned."""
    assert shown("box", NEW, RSA).state is KeyState.CHANGED


def test_a_host_that_is_trusted_no_more_leaves_the_others_as_they_were(file: Path) -> None:
    """Under a hashed name, too, and where a line is about several hosts."""
    others = f"# mine\n{entry('boxes', RSA)}\n@revoked {entry('box', RSA)}\n"
    file.write_text(f"{others}{entry('box,far', OLD)}\n{entry(hashed('box'), NEW)}\n")
    unpin(file, "box")
    assert file.read_text() == f"{others}{entry('far', OLD)}\n"
    unpin(file, "box")
    unpin(file.with_name("none"), "box")
    assert file.read_text() == f"{others}{entry('far', OLD)}\n"
