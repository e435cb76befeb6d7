"""A whole trial on cards that look ahead, with a real Ray cluster; the cards are this machine's, by the kernels' text.

Agents are told so by a `sitecustomize` of the test's own: where they would open a card they get `HostBoard`. It proves
the order of things, their digests and their records. It says nothing of a card's speed.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from cluster_values import host, inventory, trial
from cuda_boards import compiled
from local_transport import LocalTransport

from fleet.model.inventory import Device, DeviceKind, SyntheticSettings
from fleet.model.record import Outcome
from fleet.workload.synthetic import SyntheticWorkload

pytestmark = [pytest.mark.lab, pytest.mark.alone, pytest.mark.timeout(240)]

TESTS = Path(__file__).parents[1] / "unit"
BOARDS = f"""
import sys
if any(word.endswith("default_worker.py") for word in sys.argv + sys.orig_argv):
    sys.path.append({str(TESTS)!r})
    from cuda_boards import HostBoard
    from fleet.remote.prover import cuda, factory
    factory.open_card = lambda _name: HostBoard()
    cuda._WARM_UP_PO2 = 4
    cuda.required_memory = lambda _po2: cuda.CONTEXT + 10**6
"""


def test_a_card_proves_with_the_next_trace_in_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One agent: right digests, no second of it in two tasks, and none lost between two where the next was in hand."""
    compiled()
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(BOARDS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    card = Device(name="gpu0", kind=DeviceKind.CUDA, model="a card on paper")
    box = host("box", 0, [card], work_dir=str(tmp_path / "b"), ports=27200)
    whole = replace(inventory([box], time_scale=1.0), workload=SyntheticSettings(columns=1, effort=2))
    with SyntheticWorkload(LocalTransport(), whole, [box], run="cards", observer=lambda _event: None) as workload:
        seen = workload.run(trial("box/gpu0", po2=15, iterations=8), lambda _done, _total: None)
    assert seen.outcome is Outcome.OK, (seen.cause, seen.log)
    assert not seen.emulated
    (job,) = seen.jobs
    spans = sorted((task.started or 0.0, task.updated or 0.0) for task in job.tasks if task.agent is not None)
    assert len(spans) == 2 * job.segments
    assert all(started >= ended for (_, ended), (started, _) in pairwise(spans))
    assert sum(started == ended for (_, ended), (started, _) in pairwise(spans)) >= job.segments // 2, spans
