"""The agent playbook and the survey over real SSH: a lab's hosts, one that is down, one with something in the way."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.codec import load_playbook
from fleet.lab.loopback import running
from fleet.lab.servers import Backend
from fleet.measure.clock import SystemClock
from fleet.model.event import Event, HostFailed, StepDone
from fleet.model.inventory import Current, Host, Inventory, Login, Ports, Prices, Role, SyntheticSettings
from fleet.model.playbook import StepState
from fleet.provision.agents import shipped_playbook
from fleet.provision.apply import apply
from fleet.provision.survey import check_versions, survey
from fleet.transport.ssh import SshTransport

pytestmark = pytest.mark.lab

PLAYBOOK = load_playbook(str(shipped_playbook("agent.yaml")))


def host(number: int, *, lab: bool = True) -> Host:
    address = f"127.0.0.{81 + number}"
    return Host(
        name=f"host-{number}",
        role=Role.WORKER if number else Role.HEAD,
        login=Login(address=address, port=22810 + number, connect_timeout=10.0),
        node_address=address,
        devices=(),
        ports=Ports(first=20000, last=20299),
        python=sys.executable,
        work_dir=".fleet",
        lab=lab,
    )


@pytest.fixture(scope="module", params=[Backend.AUTO, Backend.BUILTIN])
def inventory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inventory]:
    """Three hosts that are up, and one where nobody listens."""
    down = host(3, lab=False)
    whole = Inventory(
        name="provision",
        path="provision.yaml",
        hosts=(host(0), host(1), host(2), down),
        current=Current(),
        prices=Prices(),
        workload=SyntheticSettings(),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        with running(whole, backend=request.param) as reached:
            login = replace(reached.hosts[0].login, address=down.login.address, port=down.login.port)
            yield replace(reached, hosts=(*reached.hosts[:3], replace(down, login=login)))


@pytest.fixture(scope="module")
def transport() -> Iterator[SshTransport]:
    with closing(SshTransport()) as opened:
        yield opened


def test_the_survey_lists_the_host_that_is_down_and_knows_the_others(
    inventory: Inventory, transport: SshTransport
) -> None:
    told: list[Event] = []
    found = survey(transport, inventory, told.append, SystemClock())
    assert [facts.host for facts in found.facts] == ["host-0", "host-1", "host-2"]
    assert [(failure.host, failure.stage) for failure in found.failures] == [("host-3", "survey")]
    assert told == [HostFailed(failure=failure) for failure in found.failures]
    assert all(abs(offset.offset) <= offset.error + 0.01 < 5 for offset in found.offsets)
    assert len(found.offsets) == 3
    assert check_versions(found, "host-0") == ()


def test_a_playbook_is_foreseen_applied_and_found_right_and_a_bad_host_stops_nobody(
    inventory: Inventory, transport: SshTransport
) -> None:
    good, blocked, _, down = inventory.hosts
    work = Path(good.work_dir) / "work"
    obstacle = Path(blocked.work_dir) / "file"
    obstacle.write_text("in the way")
    good, blocked = replace(good, work_dir=str(work)), replace(blocked, work_dir=f"{obstacle}/folder")
    hosts = (good, blocked, down)

    def states(*, dry_run: bool) -> dict[str, list[StepState]]:
        told: list[Event] = []
        reports = apply(transport, PLAYBOOK, hosts, told.append, dry_run=dry_run)
        assert {event.report for event in told if isinstance(event, StepDone)} == set(reports)
        return {one.name: [report.state for report in reports if report.host == one.name] for one in hosts}

    right, failed, skipped = StepState.RIGHT, StepState.FAILED, StepState.SKIPPED
    assert states(dry_run=True)["host-0"] == [StepState.WOULD_CHANGE] * 2 + [right] * 3
    assert not (work / "spool").exists()
    first = states(dry_run=False)
    assert first["host-0"] == [StepState.CHANGED] * 2 + [right] * 3
    assert (work / "spool").is_dir()
    assert first["host-1"][:2] == [failed, skipped]
    assert first["host-3"] == [failed] + [skipped] * 4
    assert states(dry_run=False)["host-0"] == [right] * 5
