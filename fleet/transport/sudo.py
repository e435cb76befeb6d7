"""Commands as root by sudo: without a password, or with one on stdin. A password is never on argv and never logged.

With a password stdin is framed: the password's line, a line of random digits, then the command's own stdin. sudo takes
the first line, or not (where it remembers us, or asks nobody); a small shell, root by then, drops what comes before the
digits and becomes the command. So neither does the command see the password nor does sudo take the command's stdin.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from fleet.errors import HostError, LoginError
from fleet.model.inventory import Host
from fleet.model.playbook import Command, Completed, Secret
from fleet.transport.hearsay import in_brief

PASSWORD_LIMIT = 255
"""Bytes of a password that every sudo reads (SUDO_CONV_REPL_MAX was 255 up to 1.8.25)."""
TRIAL_SECONDS = 30.0
"""Seconds for the first question; directory services and PAM's delay after a wrong password take some."""

_SKIP = 'while IFS= read -r line; do if [ "$line" = "$1" ]; then shift; exec "$@"; fi; done; exit 126'
_NOT_FOUND = 127
# A host whose own name is in no list of hosts: sudo says so first, each time, and goes on.
_COMPLAINT = re.compile(rb"^sudo: unable to resolve host [^\n]*\n", re.MULTILINE)

Run = Callable[[Host, Command], Completed]


@dataclass(slots=True)
class _Standing:
    """What sudo on one host said to the first question: None = not asked yet, or it lets us."""

    asked: bool = False
    error: HostError | None = None
    turn: threading.Lock = field(default_factory=threading.Lock)


class Sudo:
    """Makes commands run as root. A host's sudo is asked once whether it lets us: a wrong password locks accounts."""

    def __init__(self, run: Run, passwords: Mapping[str, Secret]) -> None:
        self._run = run
        self._passwords = passwords
        self._standings: dict[str, _Standing] = {}
        self._lock = threading.Lock()

    def wrap(self, host: Host, command: Command) -> Command:
        """The command as sudo is to run it; as it is where it, or the host's login, wants no sudo.

        LoginError where sudo does not let us, every time again, but only the first time by asking the host.
        """
        if not (command.sudo and host.login.sudo):
            return command
        password = self._passwords.get(host.name)
        self._try(host, password)
        if password is None:
            return replace(command, argv=("sudo", "-n", "--", *command.argv))
        mark = secrets.token_hex(16)
        return replace(
            command,
            argv=("sudo", "-S", "-p", "", "--", "/bin/sh", "-c", _SKIP, "sh", mark, *command.argv),
            stdin=password_line(password) + f"{mark}\n".encode() + command.stdin,
        )

    def _try(self, host: Host, password: Secret | None) -> None:
        with self._lock:
            standing = self._standings.setdefault(host.name, _Standing())
        with standing.turn:
            if not standing.asked:
                done = self._run(host, _question(password))
                standing.asked = True
                standing.error = _refusal(host, done, password)
        if standing.error is not None:
            raise standing.error


def _question(password: Secret | None) -> Command:
    """Whether sudo lets us; a password is tried even where sudo remembers us, and once."""
    if password is None:
        return Command(argv=("sudo", "-n", "--", "true"), timeout=TRIAL_SECONDS)
    return Command(
        argv=("sudo", "-k", "-S", "-p", "", "--", "true"), stdin=password_line(password), timeout=TRIAL_SECONDS
    )


def password_line(password: Secret) -> bytes:
    """The password as sudo reads it. ValueError for what no sudo could."""
    data = password.value.encode()
    if not data or len(data) > PASSWORD_LIMIT or b"\n" in data or b"\0" in data:
        raise ValueError(f"a sudo password is one line of 1 to {PASSWORD_LIMIT} bytes")
    return data + b"\n"


def _refusal(host: Host, done: Completed, password: Secret | None) -> LoginError | None:
    if done.exit_status == 0:
        return None
    said = in_brief(_COMPLAINT.sub(b"", done.stderr)) or f"exit status {done.exit_status}"
    if password is not None:
        said = said.replace(password.value, "***")
    if done.exit_status == _NOT_FOUND:
        text, hint = f"there is no sudo: {said}", "install sudo there, log in as root, or state `sudo: false`"
    elif password is None:
        text = f"sudo does not let us without a password: {said}"
        hint = "state `sudo_password_command`, or ask for --ask-sudo-password, or allow the user NOPASSWD in sudoers"
    else:
        text = f"sudo does not let us: {said}"
        hint = "is the password right (it was tried once), and may the user use sudo?"
    return LoginError(text, host=host.name, hint=hint)
