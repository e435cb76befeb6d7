"""SSH connections: host keys pinned, login by public key, no question ever asked; foreign errors become ours here."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import fabric
import paramiko
from paramiko.pkey import UnknownKeyType
from paramiko.ssh_exception import NoValidConnectionsError

from fleet.errors import CommandError, ConnectError, HostError, HostKeyError, LoginError
from fleet.model.inventory import Host
from fleet.model.trust import HostKey, Introduction
from fleet.transport.hearsay import in_brief
from fleet.transport.knownhosts import SSH_PORT, file_of, known_as, pinned
from fleet.units import format_seconds

T = TypeVar("T")

RETRY_DELAYS = (0.5, 1.0)
"""Seconds before the second and the third try to connect; all tries together stay within the login's timeout."""
KEEPALIVE = 15
"""Seconds between signs of life, so that no firewall between forgets an idle connection."""
DEAD_AFTER_MS = 45_000
"""Milliseconds that sent bytes may stay unacknowledged before the kernel gives the connection up."""
SESSION_TIMEOUT = 20.0
"""Seconds within which a connected host opens a channel."""
_RSA = {"rsa-sha2-512": "ssh-rsa", "rsa-sha2-256": "ssh-rsa"}


class Link:
    """The one SSH connection to a host: made when first needed, made again when it has broken. Safe in threads."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._connection: fabric.Connection | None = None
        self._connecting = threading.Lock()

    def connect(self) -> None:
        """Connect, where there is no connection yet or the old one has broken."""
        with translated(self._host):
            self._transport()

    def session(self, timeout: float = SESSION_TIMEOUT) -> paramiko.Channel:
        """A new channel for one program, within `timeout` seconds once there is a connection."""
        with translated(self._host):
            transport = self._transport()
            try:
                return transport.open_session(timeout=min(timeout, SESSION_TIMEOUT))
            except (paramiko.SSHException, EOFError, OSError):
                # A connection that broke while idle is found out here, before anything was asked of the host.
                if transport.is_active():
                    raise
            return self._transport().open_session(timeout=SESSION_TIMEOUT)

    def close(self) -> None:
        """Drop the connection. Never raises."""
        if self._connection is not None:
            _disconnect(self._connection)

    def _transport(self) -> paramiko.Transport:
        with self._connecting:
            if self._connection is None or not self._connection.is_connected:
                self.close()
                self._connection = _patiently(self._host, _attempt)
            transport: paramiko.Transport = self._connection.transport
            return transport


def _patiently(host: Host, attempt: Callable[[Host], T]) -> T:
    """What the attempt gives. A refused or dropped connection is tried again; a wrong key, whosever, is not."""
    until = time.monotonic() + host.login.connect_timeout
    for delay in (*RETRY_DELAYS, None):
        left = max(0.1, until - time.monotonic())
        try:
            with translated(host):
                return attempt(replace(host, login=replace(host.login, connect_timeout=left)))
        except ConnectError:
            if delay is None or time.monotonic() + delay >= until:
                raise
            time.sleep(delay)
    raise AssertionError("the last try returns or raises")


def _attempt(host: Host) -> fabric.Connection:
    login = host.login
    connection = _unopened(host)
    try:
        _prepare(connection, login.known_hosts, login.connect_timeout)
        if login.key is not None:
            own = {"pkey": _private_key(login.key), "allow_agent": False, "look_for_keys": False}
            connection.connect_kwargs = {**connection.connect_kwargs, **own, "key_filename": []}
        connection.open()
        connection.transport.set_keepalive(KEEPALIVE)
        link = connection.transport.sock
        if isinstance(link, socket.socket):
            # A command is two small packets in a row, which Nagle's algorithm holds back for 40 ms.
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_AFTER_MS)
    except BaseException:
        _disconnect(connection)
        raise
    return connection


def _unopened(host: Host) -> fabric.Connection:
    login = host.login
    # The user's ~/.ssh/config holds for real hosts (ProxyJump, HostName, IdentityFile), never for a lab's own.
    config = fabric.Config(lazy=True, ssh_config=paramiko.SSHConfig() if host.lab else None)
    config.load_ssh_config()
    port = None if login.port == SSH_PORT else login.port
    return fabric.Connection(login.address, user=login.user, port=port, config=config)


def _prepare(connection: fabric.Connection, known_hosts: str | None, timeout: float) -> None:
    """Time limits, and host keys from a file in place of fabric's AutoAddPolicy, here and on every jump host."""
    file = file_of(known_hosts)
    name = known_as(connection.host, connection.port)
    for key in _usable(file, name):
        connection.client.get_host_keys().add(name, key.get_name(), key)
    connection.client.set_missing_host_key_policy(_Refuse(file))
    connection.connect_timeout = timeout
    files = [path for path in connection.connect_kwargs.get("key_filename", ()) if Path(path).expanduser().is_file()]
    connection.connect_kwargs = {"key_filename": files, "banner_timeout": timeout, "auth_timeout": timeout}
    if isinstance(connection.gateway, fabric.Connection):
        _prepare(connection.gateway, None, timeout)


def _disconnect(connection: fabric.Connection) -> None:
    while isinstance(connection, fabric.Connection):
        with suppress(Exception):
            connection.client.close()
        connection = connection.gateway


def _usable(file: Path, name: str) -> list[paramiko.PKey]:
    """The keys that the file has for a host, without those of types that paramiko does not know (DSA)."""
    keys = []
    for found in pinned(file, name):
        try:
            keys.append(paramiko.PKey.from_type_string(found.kind, found.blob))
        except UnknownKeyType:
            continue
        except (ValueError, paramiko.SSHException) as error:
            hint = "repair the file or name another"
            raise HostKeyError(f"{file} cannot be used: the key of {name} is damaged: {error}", hint=hint) from error
    return keys


def introduce(host: Host) -> Introduction:
    """The key that the host proves to have, and what is pinned for it; nobody logs in, but on its jump hosts.

    HostError where it shows none in time, or where a jump host refuses us or is not known itself.
    """
    return _patiently(host, _introduction)


def _introduction(host: Host) -> Introduction:
    login = host.login
    connection = _unopened(host)
    try:
        _prepare(connection, login.known_hosts, login.connect_timeout)
        file, name = file_of(login.known_hosts), known_as(connection.host, connection.port)
        before = pinned(file, name)
        return Introduction(
            host=host.name,
            known_as=name,
            file=str(file),
            offered=_offered(connection, [key.kind for key in before], login.connect_timeout),
            pinned=before,
        )
    finally:
        _disconnect(connection)


def _offered(connection: fabric.Connection, liked: Sequence[str], timeout: float) -> HostKey:
    """The key of a completed key exchange, in which the host has signed with it. Of the types `liked` if it has one."""
    direct = connection.gateway is None
    way = socket.create_connection((connection.host, connection.port), timeout) if direct else connection.open_gateway()
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


class _Refuse(paramiko.MissingHostKeyPolicy):
    """Refuses every host that the file does not know, and says how it could."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:  # noqa: ARG002 (paramiko's signature)
        """Called by paramiko for a host without a pinned key."""
        host, _, port = hostname.strip("[").partition("]:")
        raise HostKeyError(
            f"the host key of {hostname} is not known: {_fingerprint(key)}",
            hint="compare the fingerprint with what the host itself says (ssh-keygen -lf on its key), then: "
            f"fleet trust INVENTORY (a jump host: ssh-keyscan -p {port or SSH_PORT} {host} >> {self._file})",
        )


def _fingerprint(key: paramiko.PKey) -> str:
    return f"{key.get_name()} {key.fingerprint}"


def _private_key(path: str) -> paramiko.PKey:
    try:
        return paramiko.PKey.from_path(path)
    except OSError as error:
        raise LoginError(f"the key {path} cannot be read: {error.strerror}", hint="correct `key`") from error
    except (TypeError, paramiko.PasswordRequiredException) as error:
        hint = "fleet asks for none: run ssh-add on it and leave `key` out"
        raise LoginError(f"the key {path} needs a passphrase", hint=hint) from error
    except (ValueError, UnknownKeyType, paramiko.SSHException) as error:
        hint = "name a private key: ed25519, ecdsa or rsa"
        raise LoginError(f"{path} is no private key", hint=hint) from error


@contextmanager
def translated(host: Host) -> Iterator[None]:
    """Whatever paramiko, fabric or the socket raises inside comes out as a HostError with the host in it."""
    try:
        yield
    except HostError as error:
        error.host = error.host or host.name
        raise
    except (paramiko.SSHException, OSError, EOFError, ValueError) as error:
        raise _translation(host, error) from error


def _translation(host: Host, error: Exception) -> HostError:
    """Most specific first: half of these are subclasses of one another."""
    login = host.login
    where = f"{login.address}:{login.port}"
    who = f"user {login.user}" if login.user else "the user"
    kind: type[HostError] = ConnectError
    hint: str | None
    match error:
        case paramiko.BadHostKeyException():
            changed = f"pinned {_fingerprint(error.expected_key)}, offered {_fingerprint(error.key)}"
            kind, text = HostKeyError, f"the host key of {error.hostname} has changed: {changed}"
            hint = f"if the host was set up anew: fleet trust INVENTORY --replace {host.name}; if not, do not go on"
        case paramiko.AuthenticationException():
            kind, text = LoginError, f"the host refused {who}: {in_brief(str(error).encode())}"
            hint = "add the public key to the user's ~/.ssh/authorized_keys, or correct `user` and `key`"
        case paramiko.ChannelException():
            kind, text = CommandError, f"the host refused one more program: {in_brief(str(error.text).encode())}"
            hint = "raise MaxSessions in its sshd_config"
        case paramiko.ConfigParseError():
            text, hint = f"~/.ssh/config cannot be used: {error}", "does `ssh` itself take it?"
        case paramiko.SSHException() if "No authentication methods" in str(error):
            kind, text = LoginError, f"there is no key to log {who} in with"
            hint = "state `key`, load one into ssh-agent, or make one: ssh-keygen -t ed25519"
        case NoValidConnectionsError() | ConnectionRefusedError():
            text, hint = f"nothing listens on {where}", "is the host up, and sshd on that port?"
        case socket.gaierror():
            text, hint = f"the address {login.address} has no host", "correct `address`"
        case TimeoutError():
            text = f"no answer from {where} within {format_seconds(login.connect_timeout)}"
            hint = "is the host up, and no firewall between?"
        case ValueError():
            kind, text, hint = CommandError, str(error), None
        case _:
            text = f"no SSH session with {where}: {in_brief(str(error).encode()) or 'it hung up'}"
            hint = "is it an SSH server, and not overloaded?"
    return kind(text, host=host.name, hint=hint)
