"""The account that this process runs under, as a login sees it."""

from __future__ import annotations

import os
import pwd
from contextlib import suppress
from pathlib import Path

PLAIN_SHELL = "/bin/sh"
_NO_LOGIN = frozenset({"nologin", "false", "true", ""})


def user_name() -> str:
    """The user's name; the number where the machine has no name for it."""
    entry = _entry()
    return entry.pw_name if entry else str(os.getuid())


def login_shell() -> str:
    """The shell that runs the user's commands; /bin/sh where the account has none that runs any."""
    entry = _entry()
    shell = entry.pw_shell if entry else ""
    return shell if Path(shell).name not in _NO_LOGIN and os.access(shell, os.X_OK) else PLAIN_SHELL


def obstacle() -> str | None:
    """Why OpenSSH would not let this user in, whatever the key; None where it would."""
    entry = _entry()
    if entry is None:
        return f"user {os.getuid()} has no account"
    if login_shell() != entry.pw_shell:
        return f"user {entry.pw_name} has no login shell"
    if _locked(entry.pw_name):
        return f"the account of {entry.pw_name} is locked"
    return None


def _entry() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(os.getuid())
    except KeyError:
        return None


def _locked(user: str) -> bool:
    """Whether the password starts with `!`, which sshd without PAM takes for a lock (only root can see it, or sshd)."""
    with suppress(OSError):
        for line in Path("/etc/shadow").read_text("utf-8", "replace").splitlines():
            name, _, rest = line.partition(":")
            if name == user:
                return rest.startswith("!")
    return False
