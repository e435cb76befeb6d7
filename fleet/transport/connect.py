"""SSH connections: host keys pinned, login by key over any number of hops, no question ever asked.

A connection that is refused or dropped is tried again, with a delay that grows and differs from host to host; a wrong
key, whosever, is not.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, TypeVar

import fabric
import paramiko
from paramiko.pkey import UnknownKeyType

from fleet.errors import ConnectError, HostKeyError
from fleet.model.inventory import Host
from fleet.model.trust import HostKey, Introduction, KeyState
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


def connected_to(host: Host, keyring: Keyring) -> fabric.Connection:
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


def _reached(host: Host, keyring: Keyring) -> fabric.Connection:
    """The host's connection, over all hops on the way."""
    connection: fabric.Connection | None = None
    for hop in route(host):
        connection = _logged_in(hop, connection, keyring, host.login.connect_timeout)
    if connection is None:
        raise AssertionError("a way has a hop")
    return connection


def _logged_in(hop: Hop, before: fabric.Connection | None, keyring: Keyring, timeout: float) -> fabric.Connection:
    """A login on the next hop. Where there is none to be had, the connections up to it are ended."""
    connection = _unopened(hop, before)
    try:
        for key in _usable(hop):
            connection.client.get_host_keys().add(_client_name(hop), key.get_name(), key)
        connection.client.set_missing_host_key_policy(Refuse(hop.known_hosts, hop.known_as))
        connection.connect_timeout = timeout
        connection.connect_kwargs = {
            "auth_strategy": KeysInTurn(hop, keyring, hop.user),
            "transport_factory": _frugal,
            "banner_timeout": timeout,
            "auth_timeout": timeout,
            "channel_timeout": timeout,
        }
        if not connection.gateway:
            connection.connect_kwargs["sock"] = connected(hop.address, hop.port, timeout)
        with _let_through(hop):
            connection.open()
        connection.transport.set_keepalive(KEEPALIVE)
    except BaseException:
        disconnect(connection)
        raise
    return connection


def _unopened(hop: Hop, before: fabric.Connection | None) -> fabric.Connection:
    """A connection to come, from the hop before. Its host keys are none yet, and fabric's AutoAddPolicy must go."""
    # Nothing of the user's: what ssh_config says is in the hop already. Its own, as each connection writes into it.
    config = fabric.Config(lazy=True, ssh_config=paramiko.SSHConfig())
    return fabric.Connection(
        hop.address, user=hop.user, port=hop.port, gateway=before or hop.command or False, config=config
    )


@contextmanager
def _let_through(hop: Hop) -> Iterator[None]:
    """Say of a jump host's refusal, or of a key that is another one, what it means."""
    try:
        yield
    except paramiko.ChannelException as error:
        raise _not_let_through(hop, error) from error
    except paramiko.BadHostKeyException as error:
        changed = f"pinned {fingerprint(error.expected_key)}, offered {fingerprint(error.key)}"
        hint = f"if the host was set up anew: fleet trust INVENTORY --replace {hop.name}; if not, do not go on"
        raise HostKeyError(f"the host key of {hop.known_as} has changed: {changed}", hint=hint) from error


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


def disconnect(connection: object) -> None:
    """End a connection and those that it goes through. Never raises."""
    while isinstance(connection, fabric.Connection):
        with suppress(Exception):
            transport = connection.client.get_transport()
            connection.client.close()
            if transport is not None and isinstance(transport.sock, paramiko.ProxyCommand):
                threading.Thread(target=_reap, args=(transport, transport.sock), daemon=True).start()
        connection = connection.gateway


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


def introduce(host: Host, keyring: Keyring | None = None) -> tuple[Introduction, ...]:
    """The keys that the servers on the way prove to have, and what is pinned for each: jump hosts, then the host.

    Nobody logs in but on jump hosts whose key is pinned: at one that is not, the way ends. HostError where one shows
    none in time, or a jump host refuses us.
    """
    ring = keyring or Keyring()
    return _patiently(host, lambda now: tuple(_introductions(now, ring)))


def _introductions(host: Host, keyring: Keyring) -> Iterator[Introduction]:
    *jumps, last = route(host)
    timeout = host.login.connect_timeout
    connection: fabric.Connection | None = None
    try:
        for jump in jumps:
            shown = replace(_introduction(jump, connection, timeout), jump=True)
            yield shown
            if shown.state is not KeyState.KNOWN:
                return
            connection = _logged_in(jump, connection, keyring, timeout)
        yield _introduction(last, connection, timeout)
    finally:
        disconnect(connection)


def _introduction(hop: Hop, before: fabric.Connection | None, timeout: float) -> Introduction:
    keys = tuple(key for file in hop.known_hosts for key in pinned(file, hop.known_as))
    connection = _unopened(hop, before)
    with _let_through(hop):
        way = connection.open_gateway() if connection.gateway else connected(hop.address, hop.port, timeout)
    return Introduction(
        host=hop.name,
        known_as=hop.known_as,
        file=str(hop.known_hosts[0]),
        offered=_offered(way, [key.kind for key in keys], timeout),
        pinned=keys,
    )


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
