"""The way to a host as the user's ssh_config has it: every hop with its address, user, keys and pinned host keys.

What `ssh HOST` would do is done for Host and Match, Include, HostName, User, Port, IdentityFile, CertificateFile,
IdentitiesOnly, IdentityAgent, ProxyJump (chains, and jump hosts with a way of their own), ProxyCommand, HostKeyAlias,
UserKnownHostsFile and GlobalKnownHostsFile. StrictHostKeyChecking is always what fleet does. A lab host has none of it.
"""

from __future__ import annotations

import getpass
import io
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import paramiko

from fleet.errors import ConnectError
from fleet.model.inventory import Host
from fleet.transport.knownhosts import SSH_PORT, known_as

_OWN, _SYSTEM = Path(".ssh/config"), Path("/etc/ssh/ssh_config")
_DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
_INCLUDE = re.compile(r"\s*Include[\s=]+(.*)", re.IGNORECASE)
_SECTION = re.compile(r"\s*(Host|Match)[\s=]", re.IGNORECASE)
_INCLUDE_DEPTH = 16
"""As deep as OpenSSH goes."""
_JUMP = re.compile(
    r"(?:ssh://)?(?:(?P<user>[^@]+)@)?(?:\[(?P<six>[^]]+)\]|(?P<host>[^:]+))(?::(?P<port>[0-9]{1,5}))?/?\Z"
)
_NOWHERE = frozenset({"none", "/dev/null"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One SSH server on the way. `keys`: private keys (or public ones of keys that an agent has) in their order.

    `name`: the host's in the inventory; a jump host's in ssh_config, or else in known_hosts. `stated`: the inventory
    names the key, so that no other is tried; `only`: no other than these from an agent either. `command`: the program
    whose streams lead there, in place of a TCP connection; for the first hop only.
    """

    name: str
    address: str
    port: int
    user: str
    known_as: str
    known_hosts: tuple[Path, ...]
    keys: tuple[Path, ...] = ()
    certificates: tuple[Path, ...] = ()
    stated: bool = False
    only: bool = False
    agent: bool = True
    command: str | None = None


def route(host: Host) -> tuple[Hop, ...]:
    """The hops to a host, the host itself last. ConnectError where the user's ssh_config makes no sense."""
    login = host.login
    if host.lab:
        return (_lab_hop(host),)
    try:
        config = _parsed("\n".join(_lines()))
        return _route(config, host, login.address, login.user, login.port, frozenset())
    except (paramiko.ConfigParseError, OSError, ValueError, KeyError, RuntimeError) as error:  # the last: ~NOBODY
        raise ConnectError(f"~/.ssh/config cannot be used: {error}", hint="does `ssh` itself take it?") from error


def way(host: Host) -> tuple[str, ...]:
    """Where the servers on the way listen, the host's own last. ConnectError as `route`."""
    return tuple(f"{hop.address}:{hop.port}" for hop in route(host))


@lru_cache(maxsize=4)
def _parsed(text: str) -> paramiko.SSHConfig:
    """Once for all hosts: the file may have a section for each of them."""
    return paramiko.SSHConfig.from_text(text)


def _lab_hop(host: Host) -> Hop:
    login = host.login
    return Hop(
        name=host.name,
        address=login.address,
        port=login.port,
        user=login.user or getpass.getuser(),
        known_as=known_as(login.address, login.port),
        known_hosts=(Path(login.known_hosts),) if login.known_hosts else (Path.home() / ".ssh" / "known_hosts",),
        keys=(Path(login.key),) if login.key else (),
        stated=login.key is not None,
    )


def _route(
    config: paramiko.SSHConfig, host: Host | None, name: str, user: str | None, port: int | None, been: frozenset[str]
) -> tuple[Hop, ...]:
    """The hops to the server of that name; `host` where it is the inventory's own and not a jump host."""
    found = config.lookup(name)
    jumps = found.get("proxyjump", "none")
    via: tuple[Hop, ...] = ()
    if jumps.lower() != "none":
        for jump in jumps.split(","):
            spec = _jump(jump.strip())
            if spec["name"] in {*been, name, found["hostname"]}:
                return (_hop(found, host, name, user, port),)
            # Only the first one is reached by a way of its own: the others lie behind it.
            hops = _route(config, None, spec["name"] or "", spec["user"], _port(spec["port"]), been | {name})
            via = (*via, hops[-1]) if via else hops
    return (*via, _hop(found, host, name, user, port))


def _jump(text: str) -> dict[str, str | None]:
    match = _JUMP.match(text)
    if match is None:
        raise ValueError(f"`ProxyJump {text}`: expected [user@]host[:port]")
    return {"user": match["user"], "name": match["six"] or match["host"], "port": match["port"]}


def _port(text: str | None) -> int | None:
    return int(text) if text else None


def _hop(found: paramiko.SSHConfigDict, host: Host | None, name: str, user: str | None, port: int | None) -> Hop:
    login = host.login if host else None
    home = Path.home() / ".ssh"
    # 22 in an inventory is also what it has where it says nothing: ssh_config may say more.
    number = port if port not in (None, SSH_PORT) else int(found.get("port", SSH_PORT))
    address = found["hostname"]
    own = login.key if login else None
    stated = [Path(own)] if own else [_expanded(file, found) for file in found.get("identityfile", ())]
    jumping = found.get("proxyjump", "none").lower() != "none"
    command = None if jumping else found.get("proxycommand", "none")
    alias = found.get("hostkeyalias") or known_as(address, number)
    return Hop(
        name=host.name if host else alias if name == address else name,
        address=address,
        port=number,
        user=user or found.get("user") or getpass.getuser(),
        known_as=alias,
        known_hosts=_known_hosts(found, login.known_hosts if login else None),
        keys=tuple(stated or (home / key for key in _DEFAULT_KEYS)),
        certificates=tuple(_expanded(file, found) for file in _words(found.get("certificatefile", ""))),
        stated=own is not None,
        only=found.get("identitiesonly", "no").lower() == "yes",
        agent=found.get("identityagent", "").lower() != "none",
        command=None if command in (None, "none") else command,
    )


def _known_hosts(found: paramiko.SSHConfigDict, stated: str | None) -> tuple[Path, ...]:
    """The files with pinned keys, first the one that `fleet trust` writes. `/dev/null` is none: fleet is strict."""
    if stated:
        return (Path(stated),)
    home = Path.home() / ".ssh"
    own = [_expanded(file, found) for file in _words(found.get("userknownhostsfile", "")) if file not in _NOWHERE]
    everybodys = found.get("globalknownhostsfile", "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2")
    return (*(own or [home / "known_hosts"]), *(Path(file) for file in _words(everybodys) if file not in _NOWHERE))


def _words(text: str) -> list[str]:
    return shlex.split(text)


def _expanded(file: str, found: paramiko.SSHConfigDict) -> Path:
    """`~`, `%d` (home) and `%h` (the host's name) filled in."""
    home = str(Path.home())
    text = file.replace("%d", home).replace("%h", found["hostname"]).replace("%%", "%")
    return Path(text).expanduser()


def _lines() -> Iterator[str]:
    """The user's file, then the machine's, with what they include in its place."""
    for file in (Path.home() / _OWN, _SYSTEM):
        if file.is_file():
            yield from _with_includes(file, file.parent, 0)
            # What follows belongs to the next file, not to this one's last section.
            yield "Host *"


def _with_includes(file: Path, folder: Path, depth: int) -> Iterator[str]:
    """A file's lines. A section that an included file begins ends with that file, as in OpenSSH."""
    section = "Host *"
    for line in io.StringIO(file.read_text("utf-8", "replace")):
        if _SECTION.match(line):
            section = line.rstrip("\n")
        included = _INCLUDE.match(line)
        if included is None:
            yield line.rstrip("\n")
            continue
        if depth == _INCLUDE_DEPTH:
            raise ValueError(f"{file}: Include goes deeper than {_INCLUDE_DEPTH} files")
        for pattern in _words(included[1]):
            where = Path(pattern).expanduser()
            for found in sorted(folder.glob(str(where)) if not where.is_absolute() else _globbed(where)):
                yield from _with_includes(found, folder, depth + 1)
        yield section


def _globbed(pattern: Path) -> Iterator[Path]:
    return Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor)))
