"""A thousand steps over a link of 100 ms: how many round trips does a run cost whose connection is there already?"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from slow_link import slow_link

from fleet.lab.layout import Layout, dressed
from fleet.lab.servers import Backend, Lab
from fleet.model.inventory import Current, Host, Inventory, Login, Ports, Prices, Role, SyntheticSettings
from fleet.model.playbook import DirectoryStep, FileStep, Playbook, Step, StepState
from fleet.provision.apply import apply
from fleet.transport.ssh import SshTransport
from tests.benchmarks.provisioning.contenders import Failed

RTT = 0.1
STEPS = 1000
TURNS = 5
GOAL = 1.3
ADDRESS, PORT = "127.0.6.200", 23823


def thousand_table() -> list[str]:
    """The same run near and far, warm: what it takes far and not near, in round trips."""
    with TemporaryDirectory(prefix="fleet-bench-") as name:
        folder = Path(name)
        plain = _inventory()
        with (
            Lab(plain.hosts, Layout(folder / "lab"), backend=Backend.OPENSSH),
            slow_link((ADDRESS, PORT), RTT / 2) as (
                address,
                port,
            ),
        ):
            near = dressed(plain, folder / "lab").head
            known = folder / "known_hosts"
            known.write_text(
                Path(near.login.known_hosts or "").read_text().replace(f"[{ADDRESS}]:{PORT}", f"[{address}]:{port}")
            )
            far = replace(near, login=replace(near.login, address=address, port=port, known_hosts=str(known)))
            book = Playbook(name="thousand", path="thousand", steps=_steps(folder / "work"))
            remote, whole = _warm(book, near), _warm(book, far)
    trips = (whole - remote) / RTT
    return [
        f"{STEPS:,} steps, nothing to change, a link of {RTT * 1e3:.0f} ms, the connection is there",
        f"without the link {remote:.3f} s, over it {whole:.3f} s",
        f"{trips:.2f} round trips more (goal ≤ {GOAL}: {'reached' if trips <= GOAL else 'missed'})",
    ]


def _warm(book: Playbook, host: Host) -> float:
    """Seconds of a run, the median of a few, after two that make everything and connect."""
    with closing(SshTransport()) as transport:
        seconds = []
        for turn in range(TURNS + 2):
            started = time.perf_counter()
            reports = apply(transport, book, [host], lambda _event: None, dry_run=False)
            seconds.append(time.perf_counter() - started)
            wrong = [report for report in reports if report.state not in {StepState.RIGHT, StepState.CHANGED}]
            if wrong or (turn and any(report.state is not StepState.RIGHT for report in reports)):
                raise Failed(f"a step did not come right: {wrong[:1] or reports[0]}")
            time.sleep(RTT)  # the next program's channel is opened meanwhile
        return median(seconds[2:])


def _steps(work: Path) -> tuple[Step, ...]:
    folders = [DirectoryStep(name=f"folder {n}", path=f"{work}/{n}", mode="0755") for n in range(STEPS // 2)]
    files = [FileStep(name=f"file {n}", path=f"{work}/{n}/file", content=f"{n}\n") for n in range(STEPS // 2)]
    return (*folders, *files)


def _inventory() -> Inventory:
    host = Host(
        name="far",
        role=Role.HEAD,
        login=Login(address=ADDRESS, port=PORT),
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
