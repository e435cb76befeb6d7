"""Hosts that an operator names one by one: by an address, or by their name in an SSH configuration."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from fleet.codec.foreign.fields import read_fields
from fleet.codec.foreign.hostpattern import expand, is_address
from fleet.codec.foreign.value import Foreign, ForeignHost, Format, Plain
from fleet.errors import ConfigurationError

_LOGIN = re.compile(r"(?:ssh://)?(?:([^@\s]+)@)?(\S+)\Z")


def choose(known: Foreign | None, words: Sequence[str]) -> Foreign:
    """The named hosts, those of `known` with their fields. ConfigurationError for a word that names none."""
    found = {host.name: host for host in known.hosts} if known else {}
    hosts = [host for word in words for host in ((found[word],) if word in found else _hosts(word))]
    if not hosts:
        raise ConfigurationError("no host was named")
    unique = tuple({host.name: host for host in hosts}.values())
    if known:
        lost = tuple(lost for lost in known.lost if lost.where in {host.where for host in unique})
        return replace(known, hosts=unique, groups=(), lost=lost)
    return Foreign(format=Format.SSH, path="the command line", name="fleet", hosts=unique)


def _hosts(word: str) -> list[ForeignHost]:
    """`[user@]address[:port]`, ranges as in `node[1:4]` too."""
    match = _LOGIN.match(word)
    try:
        names, port = expand(match[2].rstrip("/")) if match else ((), None)
    except ValueError as error:
        raise ConfigurationError(f"the host {word!r}: {error}") from None
    hosts = []
    for name in names:
        if ":" in name and not is_address(name):
            raise ConfigurationError(f"the host {word!r}: expected [user@]address[:port]")
        raw: dict[str, Plain] = {"address": name, "port": port, "user": match[1] if match else None}
        form, unfit = read_fields({key: value for key, value in raw.items() if value is not None}, word)
        for lost in unfit:
            raise ConfigurationError(f"the host {word!r}: {lost.what}: {lost.why}")
        hosts.append(ForeignHost(name=name, where=word, form=form))
    if not hosts:
        raise ConfigurationError(f"the host {word!r}: expected [user@]address[:port]")
    return hosts
