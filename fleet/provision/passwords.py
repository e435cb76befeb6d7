"""sudo's passwords and keys' passphrases, asked once or from programs of the operator's; before any host is touched."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

from fleet.errors import ConfigurationError
from fleet.model.inventory import Host
from fleet.model.playbook import Secret
from fleet.transport.keyring import locked_keys, opens
from fleet.transport.sudo import password_line

PATIENCE = 120.0
"""Seconds for a program: it may ask for a passphrase or a touch of a key first."""
OUTPUT_LIMIT = 64 * 2**10
TRIES = 3
"""How often the operator is asked for one passphrase."""
_SUDO, _KEY = "sudo_password_command", "key_passphrase_command"


def sudo_passwords(hosts: Sequence[Host], asked: Secret | None) -> Mapping[str, Secret]:
    """By host, for those whose login wants sudo: what its own program prints first, else `asked`; else there is none.

    A program is run once, however many hosts name it. ConfigurationError where one fails, or prints no password.
    """
    wanting = [host for host in hosts if host.login.sudo]
    programs = {words: host for host in reversed(wanting) if (words := host.login.sudo_password_command)}
    printed = {words: _ask(host, _SUDO, words) for words, host in programs.items()}
    found: dict[str, Secret] = {}
    for host in wanting:
        words = host.login.sudo_password_command
        password = asked if words is None else printed[words]
        if password is not None:
            found[host.name] = _checked(host, password)
    return MappingProxyType(found)


def passphrases(hosts: Sequence[Host], ask: Callable[[str], Secret] | None) -> Mapping[str, Secret]:
    """By key file, for those on the way to these hosts that a passphrase locks and no agent holds.

    The host's own program prints it, else the operator is asked (None = nobody can be: then the key is not used, and
    logging in says so). Each is asked for once, however many hosts share the key. ConfigurationError for a wrong one.
    """
    found: dict[str, Secret] = {}
    for file, host in locked_keys(hosts).items():
        words = host.login.key_passphrase_command
        if words is not None:
            found[file] = _ask(host, _KEY, words)
            if not opens(file, found[file]):
                raise _failed(host, _KEY, words, f"what it printed does not open {file}")
        elif ask is not None:
            found[file] = _answered(file, ask)
    return MappingProxyType(found)


@lru_cache
def _answered(file: str, ask: Callable[[str], Secret]) -> Secret:
    """Once for a command, however many connections it makes one after the other."""
    for left in reversed(range(TRIES)):
        given = ask(f"passphrase of {file}" if left == TRIES - 1 else f"wrong; passphrase of {file}")
        if opens(file, given):
            return given
    raise ConfigurationError(f"the passphrase of {file} was wrong {TRIES} times", hint="or run ssh-add on it first")


def _ask(host: Host, field: str, words: tuple[str, ...]) -> Secret:
    """The first line that the program prints: password managers print notes below it."""
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, check=False, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it cannot be run"
        raise _failed(host, field, words, why) from error
    except subprocess.TimeoutExpired:
        # Not chained: the exception holds what the program has printed.
        raise _failed(host, field, words, "it did not end in time") from None
    if done.returncode != 0:
        raise _failed(host, field, words, f"it failed with status {done.returncode}, and says why above")
    try:
        return Secret(done.stdout[:OUTPUT_LIMIT].decode().split("\n", 1)[0].removesuffix("\r"))
    except UnicodeDecodeError:
        raise _failed(host, field, words, "it printed what is no text") from None


def _checked(host: Host, password: Secret) -> Secret:
    try:
        password_line(password)
    except ValueError as error:
        raise ConfigurationError(str(error), host=host.name, hint="the password is empty or too long") from None
    return password


def _failed(host: Host, field: str, words: tuple[str, ...], why: str) -> ConfigurationError:
    """Names the program only: an argument may be somebody's secret."""
    what = "password" if field == _SUDO else "passphrase"
    text = f"`{field}` ({words[0]}) gave no {what}: {why}"
    return ConfigurationError(text, host=host.name, hint=f"run it by hand; its first line must be the {what}")
