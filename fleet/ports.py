"""The Protocols between the shell's rooms. Adapters implement them; only cli.py picks which."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:  # who has a host on the line does not wait for the rest of the model
    from fleet.model.catalogue import Circumstance, Digest, RunEntry
    from fleet.model.event import Event
    from fleet.model.inventory import Host
    from fleet.model.journal import Entry, EntryState, Kept
    from fleet.model.playbook import Command, Completed
    from fleet.model.record import Observation, RunLog, RunSummary
    from fleet.model.trial import Trial

Observer = Callable[["Event"], None]


class Channel(Protocol):
    """A program running on a host with its streams open. One reader and one writer at a time."""

    def send(self, line: str) -> None:
        """Write one line (the newline is added). ConnectError when the link or the program is gone."""

    def receive(self, timeout: float) -> str | None:
        """The next line of its stdout; None at its end. CommandError after `timeout` seconds of nothing."""

    @property
    def complaints(self) -> str:
        """The end (4 KiB) of what it wrote to stderr so far."""

    def close(self) -> None:
        """Close its stdin and the channel. Never raises, may be called twice."""


class Transport(Protocol):
    """Programs and files on hosts. Every method raises a HostError of the right class, with the host in it."""

    def run(self, host: Host, command: Command) -> Completed:
        """Run a command to its end. A non-zero exit status is an answer, not an error."""

    def open(self, host: Host, argv: Sequence[str]) -> Channel:
        """Start a long-running program."""

    def put(self, host: Host, path: str, data: bytes, mode: int) -> None:
        """Write a file, whole or not at all."""

    def get(self, host: Host, path: str, offset: int, limit: int) -> bytes:
        """Up to `limit` bytes of a file from `offset`."""

    def close(self) -> None:
        """Close every connection. Never raises."""


class Workload(Protocol):
    """Something that can be measured: a cluster that is up and runs trials."""

    def run(self, trial: Trial, progress: Callable[[int, int], None]) -> Observation:
        """Run one trial to its end. What happens to hosts is an outcome; MeasureError: no trial can be run any more."""

    def alive(self) -> frozenset[str]:
        """The names of the hosts that can prove right now."""

    def __enter__(self) -> Self:
        """Bring the cluster up."""

    def __exit__(self, *exc: object) -> None:
        """Take it down and leave nothing behind."""


class Store(Protocol):
    """Runs, kept observation by observation. Raises StoreError."""

    def create(self, log: RunLog) -> None:
        """Begin a run (its observations, if it has some already, are stored too)."""

    def add(self, run: str, observation: Observation) -> None:
        """Append one observation; durable when this returns. The same trial again replaces the earlier one."""

    def claim(self, run: str) -> None:
        """Be at the run, for all to see, until this closes or its process ends. ConfigurationError if another is."""

    def finish(self, run: str) -> None:
        """Mark the run as finished."""

    def load(self, run: str) -> RunLog:
        """A run by its id, an unambiguous beginning of it, or a tag (its newest run); `latest` is the newest of all."""

    def runs(self) -> tuple[RunSummary, ...]:
        """All runs, newest first."""

    def close(self) -> None:
        """Release the connection. Never raises."""


class Catalogue(Protocol):
    """What is kept of the runs beside their records. Runs are named as in `Store.load`. Raises StoreError."""

    def entries(self) -> tuple[RunEntry, ...]:
        """All runs, newest first, with their tags, notes and answers."""

    def tag(self, run: str, add: Sequence[str], remove: Sequence[str]) -> RunEntry:
        """Give a run tags and take some away; how it is listed then."""

    def annotate(self, run: str, note: str | None) -> RunEntry:
        """Write a note to a run in the place of an earlier one; None takes it away."""

    def keep(self, digest: Digest, circumstances: Sequence[Circumstance]) -> None:
        """Keep what a run came to, in the place of what was kept of it before."""

    def digests(self, inventory: str) -> tuple[Digest, ...]:
        """What the runs of a fleet came to, oldest first."""

    def circumstances(self, run: str) -> tuple[Circumstance, ...]:
        """What a run was measured under; none where nothing is kept of it."""

    def close(self) -> None:
        """Release the connection. Never raises."""


class Ledger(Protocol):
    """The controller's copy of the journal, and which hosts the last provisioning left unready. Raises StoreError.

    Any thread may call it.
    """

    def record(self, inventory: str, entries: Sequence[Entry]) -> None:
        """Keep changes that are about to be made; durable when this returns."""

    def settle(self, inventory: str, entries: Sequence[Entry], state: EntryState) -> None:
        """Changes are made, or put back."""

    def entries(self, inventory: str) -> tuple[Kept, ...]:
        """The changes of an inventory's hosts that are not put back, newest first."""

    def provisioned(self, inventory: str, ready: Mapping[str, bool]) -> None:
        """How a provisioning ended, by host; what is kept of other hosts stays."""

    def unready(self, inventory: str) -> tuple[str, ...]:
        """The hosts whose last provisioning failed."""

    def close(self) -> None:
        """Release the connection. Never raises."""


class Clock(Protocol):
    """Time, so that loops can be tested without it."""

    def now(self) -> float:
        """Unix seconds."""

    def sleep(self, seconds: float) -> None:
        """Wait."""
