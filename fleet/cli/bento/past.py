"""A cluster's past, from where an operator names it: a URL, a variable that holds one, an inventory's head by SSH."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from fleet.errors import ConfigurationError

if TYPE_CHECKING:
    from fleet.model.history import History, Knobs
    from fleet.model.inventory import Inventory
    from fleet.workload.bento.records.past import Wanted
    from fleet.workload.bento.records.reading import Place


@dataclass(frozen=True, kw_only=True)
class Source:
    """What the operator named: a URL or an inventory, else a variable; `at`: the database as the head sees it."""

    named: str | None
    variable: str | None
    at: str | None

    @cached_property
    def inventory(self) -> Inventory | None:
        """The inventory, where it is one. ConfigurationError."""
        from fleet.codec import load_inventory

        return None if self.named is None or "://" in self.named else load_inventory(self.named)


def past(source: Source, wanted: Wanted, knobs: Knobs) -> History:
    """What jobs of a cluster's past say; a lab's in the seconds that its devices stand for."""
    from fleet.analyse.history import history
    from fleet.ui import screen
    from fleet.workload.bento.records.past import emulated
    from fleet.workload.bento.records.reading import read_jobs

    with _reached(source, knobs) as (place, known):
        read = read_jobs(place, wanted)
    if source.inventory is not None and source.inventory.emulated:
        read = emulated(read, source.inventory.time_scale)
    with screen.working("replaying"):
        return history(read.archive, read.jobs, known)


@contextmanager
def _reached(source: Source, knobs: Knobs) -> Iterator[tuple[Place, Knobs]]:
    """The database, as it can be reached from here while this lasts; the knobs with what the way there told."""
    from fleet.workload.bento.records.reading import FORMS, place_at

    if (source.named is None) == (source.variable is None):
        raise ConfigurationError(
            "name a task database, or an inventory", hint=f"{FORMS}, prod.yaml, or --database-url-env NAME"
        )
    if source.inventory is not None:
        with _by_ssh(source.inventory, source.at, knobs) as found:
            yield found
    elif source.variable is not None:
        url = os.environ.get(source.variable)
        if not url:
            raise ConfigurationError(f"--database-url-env {source.variable}: there is no such variable, or it is empty")
        yield place_at(url, secret=True), knobs
    else:
        yield place_at(source.named or "", secret=False), knobs


@contextmanager
def _by_ssh(inventory: Inventory, at: str | None, knobs: Knobs) -> Iterator[tuple[Place, Knobs]]:
    """The database of an inventory's head, by a tunnel that ends with this."""
    from fleet.cli.hosts.checkups import asked_passphrases, started
    from fleet.transport.keyring import Keyring
    from fleet.transport.tunnel import tunnel
    from fleet.workload.bento.records.reading import by_tunnel, endpoint_of

    with ExitStack() as stack:
        reached = started(stack, inventory, "auto")
        place, known = _as_seen_by_head(reached, at, knobs)
        port = stack.enter_context(tunnel(reached.head, Keyring(asked_passphrases([reached.head])), endpoint_of(place)))
        yield by_tunnel(place, port, reached.head.name), known


def _as_seen_by_head(reached: Inventory, at: str | None, knobs: Knobs) -> tuple[Place, Knobs]:
    """The task database: as the operator says, else as the cluster's own files have it, else as the stack is shipped.

    Its password, too, is the env file's where the inventory has a `bento` block, and so are the timers.
    """
    from fleet.cli.hosts.checkups import secrets_for
    from fleet.model.bento import Stack
    from fleet.plan.bento.timers import as_set
    from fleet.transport.ssh import SshTransport
    from fleet.workload.bento.discover import seen
    from fleet.workload.bento.records.reading import AS_SEEN_BY_HEAD, place_at
    from fleet.workload.bento.way import place_in

    if at is not None or reached.bento is None:
        return place_at(at or AS_SEEN_BY_HEAD[Stack.LEGACY], secret=False), knobs
    with closing(SshTransport(*secrets_for([reached.head]))) as transport:
        sight = seen(transport, reached.head, reached.bento)
    return place_in(sight), as_set(sight, knobs)
