"""SSH connections: host keys pinned, login by key over any number of hops, no question ever asked.

A connection that is refused or dropped is tried again, with a delay that grows and differs from host to host; a wrong
key, whosever, is not.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import paramiko
from paramiko.pkey import UnknownKeyType

from fleet.errors import ConnectError, HostKeyError
from fleet.model.inventory import Host
from fleet.model.trust import HostKey, Introduction
from fleet.transport.hearsay import in_brief
from fleet.transport.keyring import Keyring, KeysInTurn
from fleet.transport.knownhosts import pinned, revoked
from fleet.transport.promptly import connected
from fleet.transport.troubles import Refuse, fingerprint, translated
from fleet.transport.userconfig import Hop, route

T = TypeVar("T")

RETRY_DELAYS = (0.5, 1.0, 2.0)
"""Seconds before the next try to connect, half as long up to half as long again, or hosts behind one jump host would
all come back at once; all tries together stay within the login's timeout."""
KEEPALIVE = 15
"""Seconds between signs of life, so that no firewall between forgets an idle connection."""
_RSA = {"rsa-sha2-512": "ssh-rsa", "rsa-sha2-256": "ssh-rsa"}


@dataclass(slots=True, eq=False)
class Connection:
    """A login on one hop of the way, which goes through the one `before`."""

    client: paramiko.SSHClient
    before: Connection | None = None

    @property
    def transport(self) -> paramiko.Transport | None:
        """What channels are opened on; None until the login."""
        return self.client.get_transport()

    @property
    def is_up(self) -> bool:
        """Whether channels can be opened."""
        return self.transport is not None and self.transport.is_active()


def connected_to(host: Host, keyring: Keyring) -> Connection:
    """The host's connection, over all hops on the way. A HostError where there is none to be had in time."""
    return _patiently(host, lambda now: _reached(now, keyring))


def _patiently(host: Host, attempt: Callable[[Host], T]) -> T:
    """What the attempt gives. A refused or dropped connection is tried again; a wrong key, whosever, is not."""
    until = time.monotonic() + host.login.connect_timeout
    for delay in (*RETRY_DELAYS, None):
        left = max(0.1, until - time.monotonic())
        try:
            with translated(host):
                return attempt(replace(host, login=replace(host.login, connect_timeout=left)))
        except ConnectError:
            pause = None if delay is None else delay * random.uniform(0.5, 1.5)  # noqa: S311 (no secret)
            if pause is None or time.monotonic() + pause >= until:
                raise
            time.sleep(pause)
    raise AssertionError("the last try returns or raises")


def _reached(host: Host, keyring: Keyring) -> Connection:
    """The host's connection, over all hops on the way."""
    connection: Connection | None = None
    for hop in route(host):
        connection = _logged_in(hop, connection, keyring, host.login.connect_timeout)
    if connection is None:
        raise AssertionError("a way has a hop")
    return connection


def _logged_in(hop: Hop, before: Connection | None, keyring: Keyring, timeout: float) -> Connection:
    """A login on the next hop. Where there is none to be had, the connections up to it are ended."""
    connection = Connection(client=paramiko.SSHClient(), before=before)
    try:
        client = connection.client
        for key in _usable(hop):
            client.get_host_keys().add(_client_name(hop), key.get_name(), key)
        client.set_missing_host_key_policy(Refuse(hop.known_hosts, hop.known_as))
        client.connect(
            hop.address,
            hop.port,
            hop.user,
            sock=_way(hop, before, timeout),
            timeout=timeout,
            banner_timeout=timeout,
            auth_timeout=timeout,
            channel_timeout=timeout,
            transport_factory=_frugal,  # type: ignore[arg-type]  # the annotations are older than paramiko 5
            auth_strategy=KeysInTurn(hop, keyring, hop.user),
        )
        if transport := connection.transport:
            transport.set_keepalive(KEEPALIVE)
    except BaseException:
        disconnect(connection)
        raise
    return connection


def _way(hop: Hop, before: Connection | None, timeout: float) -> Any:
    """What leads to a hop, for paramiko to speak through: a socket, a jump host's channel, a program's streams."""
    if before is not None and before.transport is not None:
        try:
            return before.transport.open_channel("direct-tcpip", (hop.address, hop.port), ("", 0), timeout=timeout)
        except paramiko.ChannelException as error:
            raise _not_let_through(hop, error) from error
    return paramiko.ProxyCommand(hop.command) if hop.command else connected(hop.address, hop.port, timeout)


def _frugal(way: Any, *, disabled_algorithms: Mapping[str, Sequence[str]] | None = None) -> paramiko.Transport:
    """A transport that likes best what encrypts and signs at once: paramiko compares other signatures in Python."""
    transport = paramiko.Transport(way, disabled_algorithms=disabled_algorithms)
    options = transport.get_security_options()
    options.ciphers = sorted(options.ciphers, key=lambda cipher: "-gcm@" not in cipher)
    return transport


def _client_name(hop: Hop) -> str:
    """The name by which paramiko looks for the hop's key, whatever the user's files call it."""
    return hop.address if hop.port == paramiko.config.SSH_PORT else f"[{hop.address}]:{hop.port}"


def _not_let_through(hop: Hop, error: paramiko.ChannelException) -> ConnectError:
    """What a jump host says of the way behind it."""
    hint = "is the host up, and does the jump host reach it? (its sshd needs AllowTcpForwarding, PermitOpen)"
    said = in_brief(str(error.text).encode())
    return ConnectError(f"the jump host gives no way to {hop.address}:{hop.port}: {said}", hint=hint)


def disconnect(connection: Connection | None) -> None:
    """End a connection and those that it goes through. Never raises."""
    while connection is not None:
        with suppress(Exception):
            transport = connection.transport
            connection.client.close()
            # The annotations do not know that a program's streams serve as a socket.
            way: Any = transport.sock if transport else None
            if isinstance(way, paramiko.ProxyCommand):
                threading.Thread(target=_reap, args=(transport, way), daemon=True).start()
        connection = connection.before


def _reap(transport: paramiko.Transport, proxy: paramiko.ProxyCommand) -> None:
    """Wait for a ProxyCommand, which paramiko only tells to end, and let its pipes go when nobody reads them."""
    transport.join()
    proxy.process.wait()
    for stream in (proxy.process.stdin, proxy.process.stdout, proxy.process.stderr):
        if stream is not None:
            with suppress(OSError):
                stream.close()


def _usable(hop: Hop) -> list[paramiko.PKey]:
    """The keys that the files have for a hop, without those of types that paramiko does not know (DSA)."""
    keys = []
    banned = [key.blob for file in hop.known_hosts for key in revoked(file, hop.known_as)]
    for file, found in ((at, key) for at in hop.known_hosts for key in pinned(at, hop.known_as)):
        try:
            key = paramiko.PKey.from_type_string(found.kind, found.blob)
        except UnknownKeyType:
            continue
        except (ValueError, paramiko.SSHException) as error:
            hint = "repair the file or name another"
            text = f"{file} cannot be used: the key of {hop.known_as} is damaged: {error}"
            raise HostKeyError(text, hint=hint) from error
        if found.blob in banned:
            text = f"the host key of {hop.known_as} is revoked: {fingerprint(key)}"
            raise HostKeyError(text, hint=f"a @revoked line of {file} says so: the host needs a new key")
        keys.append(key)
    return keys


def introduce(host: Host, keyring: Keyring | None = None) -> Introduction:
    """The key that the host proves to have, and what is pinned for it; nobody logs in, but on its jump hosts.

    HostError where it shows none in time, or where a jump host refuses us or is not known itself.
    """
    ring = keyring or Keyring()
    return _patiently(host, lambda now: _introduction(now, ring))


def _introduction(host: Host, keyring: Keyring) -> Introduction:
    *jumps, hop = route(host)
    timeout = host.login.connect_timeout
    connection: Connection | None = None
    try:
        for jump in jumps:
            connection = _logged_in(jump, connection, keyring, timeout)
        before = tuple(key for file in hop.known_hosts for key in pinned(file, hop.known_as))
        return Introduction(
            host=host.name,
            known_as=hop.known_as,
            file=str(hop.known_hosts[0]),
            offered=_offered(_way(hop, connection, timeout), [key.kind for key in before], timeout),
            pinned=before,
        )
    finally:
        disconnect(connection)


def _offered(way: Any, liked: Sequence[str], timeout: float) -> HostKey:
    """The key of a completed key exchange, in which the host has signed with it. Of the types `liked` if it has one."""
    transport = paramiko.Transport(way)
    try:
        transport.banner_timeout = timeout
        options = transport.get_security_options()
        # An RSA key signs under several names. Sorting is stable: otherwise paramiko's own order holds.
        options.key_types = sorted(options.key_types, key=lambda kind: _RSA.get(kind, kind) not in liked)
        transport.start_client(timeout=timeout)
        key = transport.get_remote_server_key()
    finally:
        transport.close()
    return HostKey(kind=key.get_name(), blob=key.asbytes())
