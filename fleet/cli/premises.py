"""What planning knows, handed to analysis, which may not import it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fleet.analyse.foretell.outlook import Premises


def planning() -> Premises:
    """The graph that a job will have, and what the devices' memory allows."""
    from fleet.analyse.foretell.outlook import Premises
    from fleet.plan.trials.graphs import expected_graph
    from fleet.plan.trials.layouts import feasible

    return Premises(graph=expected_graph, fits=feasible)
