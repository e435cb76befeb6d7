"""`agent -t exec|prove|aux`: stands in for Bento's agent on either stack; its cards are emulated.

All of the stack's seconds pass as many times faster as the lab's time is scaled. A card that has too little memory ends
it as it ends the real one: with a panic, after which Docker starts it again.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from fleet.lab.bento import plane, scene
from fleet.lab.bento.plane import AUX, EXECUTOR, PROVE, Claim, Desk, Limits
from fleet.lab.bento.says import say
from fleet.lab.bento.scene import Scene
from fleet.model.record import TaskKind
from fleet.plan.trials.proof import ProofPlanner, ProofTask
from fleet.plan.trials.segments import segments
from fleet.remote.paths import paths, private
from fleet.remote.prover.device import ProverDevice

PANIC = 101
"""The exit status of a Rust program that panicked."""
SMALLEST = 14
"""The segments that a card is warmed up for: it takes more memory with the first that are larger."""
_SHORTEST = 0.001
"""Real seconds that an agent sleeps at least, where it is told to poll without a pause."""


def main() -> int:
    """Take tasks until it is ended."""
    parser = argparse.ArgumentParser(prog="agent", description=__doc__)
    parser.add_argument("-t", "--task-stream", choices=(EXECUTOR, PROVE, AUX), required=True)
    parser.add_argument("--segment-po2", type=int, default=21)
    parser.add_argument("--poll-time", type=float, default=float(os.environ.get("POLL_TIME") or 1))
    options, _ = parser.parse_known_args()
    shown = scene.read()
    desk, doing = _DOING[options.task_stream](shown, options.segment_po2)
    say(f"Starting {options.task_stream} agent (a stand-in of fleet's lab: its times are emulated)")
    pause = max(_SHORTEST, options.poll_time / shown.time_scale)
    while True:
        claim = desk.claimed(options.task_stream, pause)
        if claim is not None:
            doing(claim)


def _executing(shown: Scene, po2: int) -> tuple[Desk, Callable[[Claim], None]]:
    """Cut jobs into segments at the executor's own rate, while the first are being proved."""
    office = plane.office(shown.time_scale)
    prove = Limits(timeout=_setting("PROVE_TIMEOUT", 30), retries=_setting("PROVE_RETRIES", 3))
    join = Limits(timeout=_setting("JOIN_TIMEOUT", 10), retries=_setting("JOIN_RETRIES", 3))

    def make(job: str, tasks: tuple[ProofTask, ...], size: int) -> None:
        for task in tasks:
            office.make(job, task, size, prove if task.kind is TaskKind.PROVE else join)

    def do(claim: Claim) -> None:
        say(f"Executing {claim.job}")
        planner, since, cycles, user, count = ProofPlanner(), time.monotonic(), 0, 0, 0
        try:
            for segment in segments(claim.iterations, po2):
                cycles, user, count = cycles + segment.cycles, user + segment.user_cycles, count + 1
                due = since + cycles / shown.executor_rate / shown.time_scale
                time.sleep(max(0.0, due - time.monotonic()))
                make(claim.job, planner.add_segment(), segment.po2)
        except ValueError as error:
            office.failed(claim, str(error))
            return
        make(claim.job, planner.finish(), 0)
        office.finished(claim, {"segments": count, "user_cycles": user, "total_cycles": cycles, "assumption_count": 0})

    return office, do


def _proving(shown: Scene, _po2: int) -> tuple[Desk, Callable[[Claim], None]]:
    """Prove and join on the card that the environment names."""
    desk = plane.desk(shown.time_scale)
    device = _card(shown)
    device.warm_up(SMALLEST)

    def do(claim: Claim) -> None:
        if claim.kind == "Prove":
            say(f"Starting proof of idx: {claim.job} - {claim.index}")
            did = device.prove(_trace(shown, claim), claim.po2)
        else:
            say(f"Joining {claim.job} - {claim.task}")
            left, right = claim.inputs
            did = device.join(left, right)
        late = time.monotonic() - (did.finished - did.late)  # the stack's own clock sees it all
        desk.finished(claim, {"digest": did.digest})
        say(f"emulated: late {late:.6f} of {did.finished - did.started:.6f} s")
        say(f"Completed {claim.job} - {claim.task}")

    return desk, do


def _helping(shown: Scene, _po2: int) -> tuple[Desk, Callable[[Claim], None]]:
    """Finalize; beside it do the chores of the stack."""
    from fleet.remote.prover import cpu  # noqa: PLC0415 (numba, which executors do without)

    office = plane.office(shown.time_scale)
    for chore in office.chores(shown.time_scale):
        every = float(os.environ.get(chore.every) or chore.usual) / shown.time_scale
        threading.Thread(target=_regularly, args=(max(_SHORTEST, every), chore.work), daemon=True).start()

    def do(claim: Claim) -> None:
        (root,) = claim.inputs
        office.finished(claim, {"digest": cpu.finalize(root)})
        say(f"Finalized {claim.job}")

    return office, do


_DOING: dict[str, Callable[[Scene, int], tuple[Desk, Callable[[Claim], None]]]] = {
    EXECUTOR: _executing,
    PROVE: _proving,
    AUX: _helping,
}


def _regularly(every: float, work: Callable[[], None]) -> None:
    """Do it every so many real seconds; without it the whole agent is of no use."""
    try:
        while True:
            time.sleep(every)
            work()
    finally:
        traceback.print_exc()  # nobody else gets to say why
        os._exit(1)


def _card(shown: Scene) -> ProverDevice:
    """The first of the cards that the environment lets this agent see."""
    from fleet.remote.prover.factory import open_device  # noqa: PLC0415 (numba, which executors do without)

    seen = os.environ.get("CUDA_VISIBLE_DEVICES") or "0"
    number = int(seen.split(",")[0])
    return open_device(
        shown.devices[number],
        host_bus=shown.bus,
        time_scale=shown.time_scale,
        state_dir=_shared(),
        core=None,
        columns=shown.columns,
    )


def _shared() -> Path:
    """Where the agents of a host share what samplers read; whatever tidies the host up may have taken it away."""
    own = paths(str(scene.PLACE))
    private(own.run)
    return private(own.prover)


def _trace(shown: Scene, claim: Claim) -> bytes:
    from fleet.remote.prover.trace import make_trace  # noqa: PLC0415 (numba, which executors do without)

    return make_trace(0, claim.index, shown.trace_po2, shown.columns)


def _setting(name: str, default: int) -> int:
    return int(os.environ.get(name) or default)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MemoryError as error:
        print(f"thread 'main' panicked at workflow/src/tasks/prove.rs:\n{error}", file=sys.stderr)  # noqa: T201 (its log)
        sys.exit(PANIC)
