"""A job's digest depends on its seed and segments, and on nothing else."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path

import pytest

from fleet.model.inventory import Device, DeviceKind, Emulation
from fleet.model.record import TaskKind
from fleet.plan.trials.proof import proof_tasks
from fleet.remote.prover import cpu, reference
from fleet.remote.prover.device import Digest, ProverDevice
from fleet.remote.prover.digest import digest_hex, expected_digest
from fleet.remote.prover.factory import open_device
from fleet.remote.prover.trace import make_trace

SEGMENTS = (4, 4, 4, 4, 3)


def run_in_order(order: random.Random, agents: list[ProverDevice], seed: int) -> str:
    """Do the job's tasks in a random order that its graph allows, each on a random agent."""
    done: dict[str, Digest] = {"init": ()}
    left = list(proof_tasks(len(SEGMENTS)))
    task = left[0]
    while left:
        task = order.choice([task for task in left if set(task.prerequisites) <= done.keys()])
        left.remove(task)
        agent = order.choice(agents)
        inputs = [done[name] for name in task.prerequisites]
        if task.kind is TaskKind.PROVE and task.segment is not None:
            po2 = SEGMENTS[task.segment]
            done[task.id] = agent.prove(make_trace(seed, task.segment, po2, 2), po2).digest
        elif task.kind is TaskKind.JOIN:
            done[task.id] = agent.join(*inputs).digest
        else:
            done[task.id] = agent.finalize(*inputs).digest
    return digest_hex(done["finalize"])


def test_order_and_devices_do_not_matter(tmp_path: Path) -> None:
    """Whatever runs first, on CPU or emulated devices, the job's digest is the expected one."""
    figures = Emulation(cycles_per_second=1e9, join=1e-6)
    devices = [
        Device(name="core0", kind=DeviceKind.CPU, model="core"),
        Device(name="gpu0", kind=DeviceKind.EMULATED, model="card", emulation=figures),
    ]
    agents = [open_device(d, host_bus=None, time_scale=1, state_dir=tmp_path, core=None, columns=2) for d in devices]
    digests = {run_in_order(random.Random(number), agents, seed=11) for number in range(6)}  # noqa: S311 (orders, not secrets)
    for agent in agents:
        agent.close()
    assert digests == {expected_digest(11, SEGMENTS, 2)}


def test_it_is_the_reference_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five segments fold as ((0 1) (2 3)) 4, with the plain arithmetic too (joins made small, which it is slow at)."""
    monkeypatch.setattr(cpu, "join", partial(cpu.join, leaves=4))
    zero, one, two, three, four = (reference.prove(reference.trace(5, i, 2, 3)) for i in range(5))
    left, right = reference.join(zero, one, 4), reference.join(two, three, 4)
    root = reference.join(reference.join(left, right, 4), four, 4)
    assert digest_hex(reference.finalize(root)) == expected_digest(5, (2, 2, 2, 2, 2), 3)


def test_it_does_not_change_between_versions() -> None:
    """Hosts compare digests: this one must change only together with the protocol between them."""
    assert expected_digest(1, (8, 8, 7), 8) == "3d9e8a7f6a59a155453f57e2410b83e719c27ae2413d90183e90377f5c7bce14"


def test_seed_segments_and_width_matter() -> None:
    """Another seed, other segment sizes, another order of sizes or other columns: another digest."""
    jobs = ((1, (3, 2), 4), (2, (3, 2), 4), (1, (2, 3), 4), (1, (3,), 4), (1, (3, 2), 5), (1, (3, 2, 2), 4))
    assert len({expected_digest(*job) for job in jobs}) == len(jobs)


def test_a_job_without_segments_is_refused() -> None:
    """There is nothing to fold."""
    with pytest.raises(ValueError, match="at least one segment"):
        expected_digest(1, (), 8)


def test_hex_is_of_fixed_width() -> None:
    """Eight digits an element, so that no two digests share a text."""
    assert digest_hex((1, 0, 0, 0, 0, 0, 0, 0x77FFFFFF)) == "00000001" + "00000000" * 6 + "77ffffff"
