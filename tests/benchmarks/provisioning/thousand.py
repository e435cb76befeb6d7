"""A thousand steps over a link of 100 ms: how many round trips does a run cost whose connection is there already?"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from slow_link import slow_link

from fleet.lab.layout import Layout, dressed
from fleet.lab.servers import Backend, Lab
from fleet.model.inventory import Current, Host, Inventory, Login, Ports, Prices, Role, SyntheticSettings
from fleet.model.playbook import DirectoryStep, FileStep, Playbook, Step, StepState
from fleet.provision.apply import apply
from fleet.transport.ssh import SshTransport
from tests.benchmarks.provisioning.contenders import Failed
from tests.benchmarks.provisioning.hosts import free_port

RTT = 0.1
STEPS = 1000
TURNS, MOST_TURNS, WARMING = 7, 21, 2
QUIET = 0.1
"""Round trips that the two best turns of a place may differ by; as long as they do not, there are further turns."""
GOAL = 1.3
ADDRESS = "127.0.6.200"


def thousand_table() -> list[str]:
    """The same run near and far, warm: what it takes far and not near, in round trips."""
    with TemporaryDirectory(prefix="fleet-bench-") as name:
        folder = Path(name)
        port_near = free_port()
        plain = _inventory(port_near)
        with (
            Lab(plain.hosts, Layout(folder / "lab"), backend=Backend.OPENSSH),
            slow_link((ADDRESS, port_near), RTT / 2) as (
                address,
                port,
            ),
        ):
            near = dressed(plain, folder / "lab").head
            known = folder / "known_hosts"
            known.write_text(
                Path(near.login.known_hosts or "")
                .read_text()
                .replace(f"[{ADDRESS}]:{port_near}", f"[{address}]:{port}")
            )
            far = replace(near, login=replace(near.login, address=address, port=port, known_hosts=str(known)))
            book = Playbook(name="thousand", path="thousand", steps=_steps(folder / "work"))
            _make(book)
            empty = Playbook(name="one", path="one", steps=book.steps[:1])
            small = _warm(empty, near, far)
            large = _warm(book, near, far)
    return [
        f"nothing to change, a link of {RTT * 1e3:.0f} ms, the connection is there",
        _line("one step", *small),
        _line(f"{STEPS:,} steps", *large),
    ]


def _line(name: str, near: Sequence[float], far: Sequence[float]) -> str:
    trips, doubt = (min(far) - min(near)) / RTT, max(_unrest(near), _unrest(far))
    # Less than one round trip is nothing that a link can do.
    if doubt > GOAL - 1 or trips + doubt < 1 or trips - doubt <= GOAL < trips + doubt:
        verdict = "the machine is too busy to say"
    else:
        verdict = "reached" if trips <= GOAL else "missed"
    seconds = f"without the link {min(near):.3f} s, over it {min(far):.3f} s"
    return f"{name:12} {seconds}: {trips:.2f} ± {doubt:.2f} round trips more (goal ≤ {GOAL}: {verdict})"


def _unrest(seconds: Sequence[float]) -> float:
    """By how much the two best turns differ, in round trips."""
    best, second, *_ = sorted(seconds)
    return (second - best) / RTT


def _make(book: Playbook) -> None:
    """Everything is right before the first turn: what is timed is to see that."""
    for step in book.steps:
        match step:
            case DirectoryStep():
                Path(step.path).mkdir(parents=True)
                Path(step.path).chmod(0o755)
            case FileStep():
                Path(step.path).write_text(step.content)
                Path(step.path).chmod(0o600)


def _warm(book: Playbook, near: Host, far: Host) -> tuple[Sequence[float], Sequence[float]]:
    """Seconds of runs near and far by turns, after some that connect; the best of them count: other work only adds."""
    seconds: dict[str, list[float]] = {"near": [], "far": []}
    with closing(SshTransport()) as transport:
        for turn in range(MOST_TURNS + WARMING):
            for name, host in (("near", near), ("far", far)):
                taken = _timed(transport, book, host)
                if turn >= WARMING:
                    seconds[name].append(taken)
                time.sleep(3 * RTT)  # the next program's shell is started meanwhile
            if turn >= TURNS + WARMING and all(_unrest(found) <= QUIET for found in seconds.values()):
                break
    return seconds["near"], seconds["far"]


def _timed(transport: SshTransport, book: Playbook, host: Host) -> float:
    started = time.perf_counter()
    reports = apply(transport, book, [host], lambda _event: None, dry_run=False)
    taken = time.perf_counter() - started
    if any(report.state is not StepState.RIGHT for report in reports):
        raise Failed(f"a step is not right: {reports[0]}")
    return taken


def _steps(work: Path) -> tuple[Step, ...]:
    folders = [DirectoryStep(name=f"folder {n}", path=f"{work}/{n}", mode="0755") for n in range(STEPS // 2)]
    files = [FileStep(name=f"file {n}", path=f"{work}/{n}/file", content=f"{n}\n") for n in range(STEPS // 2)]
    return (*folders, *files)


def _inventory(port: int) -> Inventory:
    host = Host(
        name="far",
        role=Role.HEAD,
        login=Login(address=ADDRESS, port=port),
        node_address=ADDRESS,
        devices=(),
        ports=Ports(first=20000, last=20299),
        python="python3",
        work_dir=".fleet",
        lab=True,
    )
    return Inventory(
        name="thousand",
        path="",
        hosts=(host,),
        current=Current(),
        prices=Prices(),
        workload=SyntheticSettings(),
    )
