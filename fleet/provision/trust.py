"""Host keys of a whole fleet: shown side by side, judged, and pinned where the operator says so."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
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
    """Every key on the way to the hosts, once, or why there is none. `behind`: hosts whose way ended before them.

    `wanted`: to be pinned; `refused`: changed, and not named to replace.
    """

    introductions: tuple[Introduction, ...]
    failures: tuple[Failure, ...]
    wanted: tuple[Introduction, ...]
    refused: tuple[Introduction, ...]
    behind: tuple[Host, ...]


def rounds(
    introduce: Callable[[Host], Sequence[Introduction]], hosts: Sequence[Host], replace: Collection[str]
) -> Iterator[Trust]:
    """Ask all hosts for their keys at once; then again those behind a jump host that has been pinned in between.

    `replace`: whose changed key may take the old one's place, once. What an earlier round has shown is left out.
    """
    shown: set[str] = set()
    while hosts:
        seen = _look(introduce, hosts, replace, shown)
        yield seen
        settled = {one.host for one in seen.wanted}
        hosts = seen.behind if settled else ()
        replace = frozenset(replace) - settled
        shown.update(one.known_as for one in seen.introductions)


def _look(
    introduce: Callable[[Host], Sequence[Introduction]],
    hosts: Sequence[Host],
    replace: Collection[str],
    shown: Collection[str],
) -> Trust:
    introductions: dict[Introduction, None] = {}
    failures: list[Failure] = []
    behind: list[Host] = []
    for host, answer in fanout(introduce, hosts):
        if isinstance(answer, HostError):
            failures.append(Failure(host=host.name, stage="trust", message=answer.message, hint=answer.hint))
            continue
        introductions |= {one: None for one in answer if one.state is not KeyState.KNOWN or one.known_as not in shown}
        if answer[-1].jump:
            behind.append(host)
    changed = tuple(one for one in introductions if one.state is KeyState.CHANGED)
    named = {one.known_as for one in changed if one.host in replace}  # a host may be another's jump host, too
    meant = tuple(one for one in changed if one.known_as in named)
    return Trust(
        introductions=tuple(introductions),
        failures=tuple(failures),
        wanted=(*(one for one in introductions if one.state is KeyState.NEW), *meant),
        refused=tuple(one for one in changed if one not in meant),
        behind=tuple(behind),
    )


def settle(wanted: Sequence[Introduction]) -> None:
    """Pin the very keys that were shown, file by file. HostKeyError where a file cannot be written."""
    for file, introductions in groupby(sorted(wanted, key=lambda one: one.file), key=lambda one: one.file):
        pin(Path(file), tuple(introductions))


def forgo(file: str, known_as: str) -> None:
    """Trust a host no more: its key leaves the known_hosts file. HostKeyError where that cannot be written."""
    unpin(Path(file), known_as)
