"""Host keys of a whole fleet: shown side by side, judged, and pinned where the operator says so."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from fleet.errors import HostError
from fleet.model.facts import Failure
from fleet.model.inventory import Host
from fleet.model.trust import Introduction, KeyState
from fleet.transport.fanout import fanout
from fleet.transport.knownhosts import pin, unpin


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Every host's key, or why it shows none. `wanted`: to be pinned; `refused`: changed, and not named to replace."""

    introductions: tuple[Introduction, ...]
    failures: tuple[Failure, ...]
    wanted: tuple[Introduction, ...]
    refused: tuple[Introduction, ...]


def look(introduce: Callable[[Host], Introduction], hosts: Sequence[Host], replace: Collection[str]) -> Trust:
    """Ask all hosts for their keys at once. `replace`: the hosts whose changed key may take the old one's place."""
    introductions: list[Introduction] = []
    failures: list[Failure] = []
    for host, answer in fanout(introduce, hosts):
        if isinstance(answer, HostError):
            failures.append(Failure(host=host.name, stage="trust", message=answer.message, hint=answer.hint))
        else:
            introductions.append(answer)
    changed = tuple(one for one in introductions if one.state is KeyState.CHANGED)
    meant = tuple(one for one in changed if one.host in replace)
    return Trust(
        introductions=tuple(introductions),
        failures=tuple(failures),
        wanted=(*(one for one in introductions if one.state is KeyState.NEW), *meant),
        refused=tuple(one for one in changed if one not in meant),
    )


def settle(wanted: Sequence[Introduction]) -> None:
    """Pin the very keys that were shown, file by file. HostKeyError where a file cannot be written."""
    for file, introductions in groupby(sorted(wanted, key=lambda one: one.file), key=lambda one: one.file):
        pin(Path(file), tuple(introductions))


def forgo(file: str, known_as: str) -> None:
    """Trust a host no more: its key leaves the known_hosts file. HostKeyError where that cannot be written."""
    unpin(Path(file), known_as)
