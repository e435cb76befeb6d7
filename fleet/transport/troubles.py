"""What paramiko, fabric and sockets raise, as errors of ours with the host and a cure; unknown host keys refused."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import paramiko
from paramiko.ssh_exception import NoValidConnectionsError

from fleet.errors import CommandError, ConnectError, HostError, HostKeyError, LoginError
from fleet.model.inventory import Host
from fleet.transport.hearsay import in_brief
from fleet.transport.knownhosts import certified
from fleet.transport.userconfig import way
from fleet.units import format_seconds


class Refuse(paramiko.MissingHostKeyPolicy):
    """Refuses every host that the files do not know, and says how they could."""

    def __init__(self, files: Sequence[Path], name: str) -> None:
        self._files = files
        self._name = name

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:  # noqa: ARG002 (paramiko's signature)
        """Called by paramiko for a host without a pinned key."""
        hint = (
            "compare the fingerprint with what the host itself says (ssh-keygen -lf on its key), then: "
            "fleet trust INVENTORY"
        )
        if any(certified(file, self._name) for file in self._files):
            hint = f"fleet takes no host certificates (@cert-authority): pin the key itself; {hint}"
        raise HostKeyError(f"the host key of {self._name} is not known: {fingerprint(key)}", hint=hint)


def fingerprint(key: paramiko.PKey) -> str:
    """The key's type and SHA-256, as OpenSSH shows them."""
    return f"{key.get_name()} {key.fingerprint}"


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
    first, *behind = way(host)
    where = f"{behind[-1]} through {first}" if behind else first
    kind: type[HostError] = ConnectError
    hint: str | None
    match error:
        case paramiko.AuthenticationException():
            kind, text = LoginError, f"the host refused us: {in_brief(str(error).encode())}"
            hint = "add the public key to the user's ~/.ssh/authorized_keys, or correct `user` and `key`"
        case paramiko.ChannelException():
            kind, text = CommandError, f"the host refused one more program: {in_brief(str(error.text).encode())}"
            hint = "raise MaxSessions in its sshd_config"
        case NoValidConnectionsError() | ConnectionRefusedError():
            text, hint = f"nothing listens on {first}", "is the host up, and sshd on that port?"
        case socket.gaierror():
            text, hint = f"the address {first.rpartition(':')[0]} has no host", "correct `address`, or ~/.ssh/config"
        case TimeoutError():
            text = f"no answer from {where} within {format_seconds(host.login.connect_timeout)}"
            hint = "is the host up, and no firewall between?"
        case ValueError():
            kind, text, hint = CommandError, str(error), None
        case _:
            text = f"no SSH session with {where}: {in_brief(str(error).encode()) or 'it hung up'}"
            hint = "is it an SSH server, and not overloaded?"
    return kind(text, host=host.name, hint=hint)
