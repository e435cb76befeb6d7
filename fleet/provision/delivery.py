"""A bundle brought to a host: what is there already is not sent again, what was cut off goes on where it stopped.

The host says what it has; files are sent in pieces, each only where the last one ended, and take their name when their
SHA-256 is right. The mark `complete` comes last: with it, the python step installs from there and asks no index.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from fleet.errors import CommandError, HostError
from fleet.model.bundle import Bundle, Target, WheelFile
from fleet.model.inventory import Host
from fleet.model.playbook import Command
from fleet.ports import Transport
from fleet.provision.bundle import opened
from fleet.transport.hearsay import in_brief

ASK_SECONDS = 300.0
SLOWEST_LINK = 2.5e5
"""Bytes per second that any link to a host is taken to carry."""
FOLDER = "bundle"
"""In the host's work folder; the python step looks there."""

_DIGEST = """\
digest() {
    sum=$(sha256sum <"$1" 2>/dev/null) || sum=$(shasum -a 256 <"$1" 2>/dev/null) ||
        sum=$(openssl dgst -sha256 -r <"$1") || exit 1
    sum=${sum%% *}
}
"""
_LOOK = f"""\
{_DIGEST}
umask 077
mkdir -p -- "$1" && cd -- "$1" || exit 1
rm -f complete
for file in *.whl; do
    [ -f "$file" ] || continue
    digest "$file"
    echo "whole $sum $file"
done
for file in *.whl.part; do
    [ -f "$file" ] && echo "part $(($(wc -c <"$file"))) ${{file%.part}}"
done
exit 0
"""
_APPEND = """\
cd -- "$1" || exit 1
[ "$3" -eq 0 ] && : >"$2.part"
if [ "$(wc -c <"$2.part")" -ne "$3" ]; then echo "it is not as long as it was" >&2; exit 1; fi
cat >>"$2.part"
if [ "$(wc -c <"$2.part")" -ne "$4" ]; then echo "the upload was cut off" >&2; exit 1; fi
"""
_SETTLE = f"""\
{_DIGEST}
cd -- "$1" || exit 1
digest "$2.part"
if [ "$sum" != "$3" ]; then rm -f -- "$2.part"; echo "its SHA-256 is wrong" >&2; exit 1; fi
mv -f -- "$2.part" "$2"
"""
_COMPLETE = """\
cd -- "$1" || exit 1
shift
for file in *.whl *.whl.part; do
    keep=
    for wanted do [ "$file" = "$wanted" ] && keep=1; done
    [ -n "$keep" ] || rm -f -- "$file"
done
printf '%s\\n' "$@" >complete
"""
_SAID = re.compile(r"(whole|part) ([0-9a-f]{64}|[0-9]{1,15}) (\S+\.whl)\Z")


def deliver(
    transport: Transport, host: Host, path: Path, bundle: Bundle, of: Target, say: Callable[[str], None]
) -> int:
    """Bring what a kind of host needs of a bundle to one; the bytes that were sent. HostError.

    CommandError where the bundle is not for such hosts, or a file arrives damaged.
    """
    files = bundle.of(of)
    if not files:
        made_for = ", ".join(map(str, bundle.targets))
        raise CommandError(
            f"{path} has nothing for {of}, only for {made_for}",
            host=host.name,
            hint=f"fleet bundle --python {of.python} --arch {of.arch} OUT",
        )
    folder = f"{host.work_dir}/{FOLDER}"
    whole, parts = _there(_run(transport, host, _LOOK, (folder,), ASK_SECONDS))
    todo = [file for file in files if whole.get(file.name) != file.sha256]
    left = sum(file.size - _start(file, parts) for file in todo)
    say(f"{host.name}: {len(todo)} of {len(files)} files, {left / 1e6:,.1f} MB to send")
    with opened(path) as piece:
        for file in todo:
            _send(transport, host, folder, file, _start(file, parts), piece)
    _run(transport, host, _COMPLETE, (folder, *(file.name for file in files)), ASK_SECONDS)
    return left


def _there(said: str) -> tuple[Mapping[str, str], Mapping[str, int]]:
    """What the host has: digests of whole files, and lengths of files that were cut off."""
    found = [match for line in said.splitlines() if (match := _SAID.match(line))]
    whole = {match[3]: match[2] for match in found if match[1] == "whole"}
    return whole, {match[3]: int(match[2]) for match in found if match[1] == "part" and match[2].isdecimal()}


def _start(file: WheelFile, parts: Mapping[str, int]) -> int:
    """Where to go on; from the beginning where there is more than there should be."""
    return parts[file.name] if parts.get(file.name, 0) <= file.size and file.name in parts else 0


def _send(
    transport: Transport, host: Host, folder: str, file: WheelFile, start: int, piece: Callable[[WheelFile, int], bytes]
) -> None:
    while start < file.size:
        data = piece(file, start)
        words = (folder, file.name, str(start), str(start + len(data)))
        _run(transport, host, _APPEND, words, 60.0 + len(data) / SLOWEST_LINK, data)
        start += len(data)
    _run(transport, host, _SETTLE, (folder, file.name, file.sha256), ASK_SECONDS)


def _run(
    transport: Transport, host: Host, script: str, words: tuple[str, ...], timeout: float, stdin: bytes = b""
) -> str:
    command = Command(argv=("/bin/sh", "-c", script, "sh", *words), stdin=stdin, timeout=timeout)
    done = transport.run(host, command)
    if done.exit_status != 0:
        what = words[1] if len(words) > 1 else words[0]
        said = in_brief(done.stderr) or f"exit status {done.exit_status}"
        raise CommandError(f"{what} cannot be brought there: {said}", host=host.name, hint="the same command goes on")
    return done.stdout.decode("utf-8", "replace")


def kind_of(transport: Transport, host: Host, python: str) -> Target:
    """The kind of a host whose Python has this version. HostError where its machine cannot be told."""
    done = transport.run(host, Command(argv=("uname", "-m"), timeout=60.0))
    arch = done.stdout.decode("ascii", "replace").strip()
    if done.exit_status != 0 or not re.fullmatch(r"[a-z0-9_]{2,20}", arch):
        raise HostError("`uname -m` does not tell its machine", host=host.name)
    return Target(python=".".join(python.split(".")[:2]), arch={"arm64": "aarch64", "amd64": "x86_64"}.get(arch, arch))
