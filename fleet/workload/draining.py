"""A workload whose hosts may be drained while it runs: what is under way finishes, what comes next goes elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from fleet.model.record import Observation
from fleet.model.trial import Trial
from fleet.ports import Workload


class Draining:
    """The workload without the hosts that `drained` names; it is asked before every trial and must not fail."""

    def __init__(self, inner: Workload, drained: Callable[[], frozenset[str]]) -> None:
        self._inner = inner
        self._drained = drained

    def run(self, trial: Trial, progress: Callable[[int, int], None]) -> Observation:
        """Run one trial to its end, whoever is drained meanwhile."""
        return self._inner.run(trial, progress)

    def alive(self) -> frozenset[str]:
        """The hosts that can prove and may be given work."""
        return self._inner.alive() - self._drained()

    def __enter__(self) -> Self:
        """Bring the cluster up."""
        self._inner.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        """Take it down."""
        self._inner.__exit__(*exc)
