"""An SSH server of our own, for machines without OpenSSH: one user, one public key, programs and nothing else.

`python -m fleet.lab.sshserver ADDRESS PORT HOST_KEY AUTHORIZED HOME`. A program runs as `SHELL -c COMMAND` in a session
of its own, at home, with the environment that a login has. When its channel goes, its stdin ends; it then has a while
to end by itself before its process group is told to, and then made to.
"""

from __future__ import annotations

import argparse
import base64
import logging
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import paramiko
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_SUCCEEDED,
)

from fleet.lab.account import login_shell, user_name

CHUNK = 32 * 2**10
HANG_UP = ((signal.SIGHUP, 10.0), (signal.SIGKILL, 2.0))
"""What a program gets whose connection has gone, each after so many seconds more."""
_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who may log in, with what key, and what the login finds."""

    user: str
    key: paramiko.PKey
    home: Path
    shell: str


def main() -> int:
    """Serve until killed."""
    parser = argparse.ArgumentParser(prog="fleet.lab.sshserver", description=__doc__)
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("host_key", type=Path)
    parser.add_argument("authorized", type=Path)
    parser.add_argument("home", type=Path)
    parser.add_argument("--shell", default=login_shell(), help="login shell [the user's]")
    options = parser.parse_args()
    # Whoever knocks and goes away again would fill the log with tracebacks.
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    kind, key, *_ = options.authorized.read_text("ascii").split()
    allowed = paramiko.PKey.from_type_string(kind, base64.b64decode(key))
    account = Account(user=user_name(), key=allowed, home=options.home, shell=options.shell)
    host_key = paramiko.Ed25519Key(filename=str(options.host_key))
    family = socket.AF_INET6 if ":" in options.address else socket.AF_INET
    with socket.create_server((options.address, options.port), family=family, backlog=64) as listener:
        while True:
            link, peer = listener.accept()
            threading.Thread(target=_serve, args=(link, peer, host_key, account), daemon=True).start()


def _serve(link: socket.socket, peer: tuple[object, ...], host_key: paramiko.PKey, account: Account) -> None:
    """One connection, to its end."""
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    transport = paramiko.Transport(link)
    transport.add_server_key(host_key)
    environment = _environment(account, f"{peer[0]} {peer[1]}", link.getsockname())
    with suppress(paramiko.SSHException, EOFError, OSError):
        transport.start_server(server=_Door(account, environment))
        channels: list[paramiko.Channel] = []  # paramiko closes a channel that nobody holds
        while transport.is_active():
            channels = [channel for channel in (*channels, transport.accept(5.0)) if channel and not channel.closed]
    transport.close()


def _environment(account: Account, client: str, here: tuple[object, ...]) -> dict[str, str]:
    return {
        "HOME": str(account.home),
        "USER": account.user,
        "LOGNAME": account.user,
        "SHELL": account.shell,
        "PATH": _PATH,
        "SSH_CLIENT": f"{client} {here[1]}",
        "SSH_CONNECTION": f"{client} {here[0]} {here[1]}",
    }


class _Door(paramiko.ServerInterface):
    """Lets the one key of the one user in, and starts programs."""

    def __init__(self, account: Account, environment: dict[str, str]) -> None:
        self._account = account
        self._environment = environment

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002 (paramiko's signature)
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        good = username == self._account.user and key == self._account.key
        return AUTH_SUCCESSFUL if good else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002 (likewise)
        return OPEN_SUCCEEDED if kind == "session" else OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        """Start the program; False, a refusal, where that fails."""
        account = self._account
        try:
            process = subprocess.Popen(
                [account.shell, "-c", os.fsdecode(command)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd=account.home,
                env=self._environment,
                start_new_session=True,
            )
        except (OSError, ValueError):
            return False
        threading.Thread(target=_attend, args=(channel, process), daemon=True).start()
        return True


def _attend(channel: paramiko.Channel, process: subprocess.Popen[bytes]) -> None:
    """Carry the program's streams until it and they have ended, then report its exit status."""
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise AssertionError("it was started with three pipes")
    threading.Thread(target=_hang_up, args=(channel, process), daemon=True).start()
    threading.Thread(target=_carry_in, args=(channel, process.stdin), daemon=True).start()
    complaints = threading.Thread(target=_carry_out, args=(process.stderr, channel.sendall_stderr), daemon=True)
    complaints.start()
    _carry_out(process.stdout, channel.sendall)
    complaints.join()
    status = process.wait()
    with suppress(paramiko.SSHException, OSError, EOFError):
        if status >= 0:
            channel.send_exit_status(status)
        channel.close()


def _carry_in(channel: paramiko.Channel, into: IO[bytes]) -> None:
    """Pass stdin on. What a program does not read is dropped, as OpenSSH does, so that its sender is not stuck."""
    with suppress(OSError), into:
        while data := channel.recv(CHUNK):
            view = memoryview(data)
            while view:
                view = view[into.write(view) :]
    while channel.recv(CHUNK):
        pass


def _carry_out(stream: IO[bytes], send: Callable[[bytes], None]) -> None:
    """Pass a stream on. Where nobody listens any more it is closed, and the program gets SIGPIPE."""
    with suppress(OSError, paramiko.SSHException, EOFError), stream:
        while data := os.read(stream.fileno(), CHUNK):
            send(data)


def _hang_up(channel: paramiko.Channel, process: subprocess.Popen[bytes]) -> None:
    """End a program whose channel went before it did."""
    channel.status_event.wait()
    for sign, seconds in HANG_UP:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if process.poll() is not None:
                return
            time.sleep(0.1)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, sign)


if __name__ == "__main__":
    main()
