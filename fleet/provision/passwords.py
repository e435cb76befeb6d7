"""sudo's passwords, from programs of the operator's on this machine; all before any host is touched."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from fleet.errors import ConfigurationError
from fleet.model.inventory import Host
from fleet.model.playbook import Secret
from fleet.transport.sudo import password_line

PATIENCE = 120.0
"""Seconds for a program: it may ask for a passphrase or a touch of a key first."""
OUTPUT_LIMIT = 64 * 2**10


def sudo_passwords(hosts: Sequence[Host], asked: Secret | None) -> Mapping[str, Secret]:
    """By host, for those whose login wants sudo: what its own program prints first, else `asked`; else there is none.

    A program is run once, however many hosts name it. ConfigurationError where one fails, or prints no password.
    """
    wanting = [host for host in hosts if host.login.sudo]
    programs = {words: host for host in reversed(wanting) if (words := host.login.sudo_password_command)}
    printed = {words: _ask(host, words) for words, host in programs.items()}
    found: dict[str, Secret] = {}
    for host in wanting:
        words = host.login.sudo_password_command
        password = asked if words is None else printed[words]
        if password is not None:
            found[host.name] = _checked(host, password)
    return MappingProxyType(found)


def _ask(host: Host, words: tuple[str, ...]) -> Secret:
    """The first line that the program prints: password managers print notes below it."""
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, check=False, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it cannot be run"
        raise _failed(host, words, why) from error
    except subprocess.TimeoutExpired:
        # Not chained: the exception holds what the program has printed.
        raise _failed(host, words, "it did not end in time") from None
    if done.returncode != 0:
        raise _failed(host, words, f"it failed with status {done.returncode}, and says why above")
    try:
        return Secret(done.stdout[:OUTPUT_LIMIT].decode().split("\n", 1)[0].removesuffix("\r"))
    except UnicodeDecodeError:
        raise _failed(host, words, "it printed what is no text") from None


def _checked(host: Host, password: Secret) -> Secret:
    try:
        password_line(password)
    except ValueError as error:
        raise ConfigurationError(str(error), host=host.name, hint="the password is empty or too long") from None
    return password


def _failed(host: Host, words: tuple[str, ...], why: str) -> ConfigurationError:
    """Names the program only: an argument may be somebody's secret."""
    text = f"`sudo_password_command` ({words[0]}) gave no password: {why}"
    return ConfigurationError(text, host=host.name, hint="run it by hand; its first line must be the password")
