"""What a cluster is measured with: the hold on it, the way to its task database, what samples its hosts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from fleet.model.trial import Layout
from fleet.workload.bento.records.reading import Place
from fleet.workload.onlookers import Onlookers


class Rig(Protocol):
    """The hold on a cluster: it is isolated, and can be arranged as a layout wants it, for as long as it is held."""

    @property
    def run(self) -> str:
        """The name under which the head keeps account of what is done there."""

    @property
    def intact(self) -> bool:
        """Whether it still is one: a host that has lost us puts everything back by itself."""

    @property
    def why(self) -> str:
        """Why it is none any more."""

    def arrange(self, layout: Layout) -> None:
        """Have exactly the layout's agents run. HostError, ConfigurationError."""

    @property
    def project(self) -> str | None:
        """Compose's project of the layout that runs; None before the first."""

    def containers(self) -> Mapping[str, str]:
        """The ids of the containers that work for the layout, and which of its agents each is ("" for helpers)."""

    def beside(self) -> tuple[str, ...]:
        """The ids of the containers that the agents work with, and that no layout changes."""

    def rivals(self) -> tuple[str, ...]:
        """What ought to be stopped and runs all the same."""


Hold = Callable[[], AbstractContextManager[Rig]]
"""Isolates the cluster and gives the hold on it; leaving it puts everything back."""
Way = Callable[[], AbstractContextManager[Place]]
"""Opens a way to the task database, as it can be reached from here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a cluster is measured with. `attached`: Compose's project of the agents on hosts other than the head."""

    hold: Hold
    way: Way
    onlookers: Onlookers
    attached: str
