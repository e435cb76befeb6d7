"""The job that planning expects is the job that is measured; several jobs make one graph."""

from __future__ import annotations

import pytest
from planted_questions import bench_of

from fleet.analyse.evidence.jobgraph import graph_for, together
from fleet.plan.trials.graphs import expected_graph
from fleet.twin.graph import graph_of


@pytest.mark.parametrize("fleet", ["guide", "roomy", "mistuned"])
def test_the_expected_graph_is_the_measured_one(fleet: str) -> None:
    """Kinds, prerequisites and cycles exactly; the executor's timing up to the noise of a run."""
    bench = bench_of(fleet)
    seen = graph_of(bench.base.jobs[0])
    inventory = bench.found.log.inventory
    expected = expected_graph(bench.base.load.iterations, bench.base.layout.po2, inventory.workload.executor_rate, 0.2)
    assert expected.cycles == seen.cycles
    assert [(n.kind, n.before) for n in expected.nodes] == [(n.kind, n.before) for n in seen.nodes]
    assert [n.released for n in expected.nodes] == pytest.approx([n.released for n in seen.nodes], rel=0.1)


def test_a_size_never_measured_is_cut_as_planning_cuts_it() -> None:
    """po2 18 of 4,096 iterations: more, smaller segments, at the executor's measured pace."""
    bench = bench_of("guide")
    graph = graph_for(bench.found, bench.base, bench.premises.graph, 18)
    pace = graph.cycles / max(node.released for node in graph.nodes)
    assert len(graph.nodes) > 2 * len(graph_of(bench.base.jobs[0]).nodes)
    assert pace == pytest.approx(bench.found.log.inventory.workload.executor_rate, rel=0.05)


def test_jobs_together_keep_their_own_prerequisites() -> None:
    """Two jobs have twice the tasks and cycles; no task waits for one of the other job."""
    one = expected_graph(64, 16, 1e6, 0.1)
    both = together([one, one])
    assert (len(both.nodes), both.cycles) == (2 * len(one.nodes), 2 * one.cycles)
    parent = list(range(len(both.nodes)))
    for number, node in enumerate(both.nodes):
        for before in node.before:
            assert before < number
            parent[_root(parent, number)] = _root(parent, before)
    assert len({_root(parent, number) for number in range(len(parent))}) == 2


def _root(parent: list[int], number: int) -> int:
    while parent[number] != number:
        number = parent[number]
    return number
