"""Applying a playbook, round trip by round trip: a host that answers from a script stands in for a real one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from fleet.errors import ConfigurationError, ConnectError
from fleet.model.event import Event, StepDone
from fleet.model.inventory import Host, Login, Ports, Role
from fleet.model.playbook import Command, Completed, DirectoryStep, Playbook, ScriptStep, StepState
from fleet.ports import Channel
from fleet.provision.apply import apply

BOX = Host(
    name="box",
    role=Role.HEAD,
    login=Login(address="192.0.2.1"),
    node_address="192.0.2.1",
    devices=(),
    ports=Ports(first=20000, last=20299),
    python="python3",
    work_dir=".fleet",
)
FAR = replace(BOX, name="far", role=Role.WORKER)
PLAYBOOK = Playbook(
    name="p",
    path="p.yaml",
    steps=(
        DirectoryStep(name="folder", path="{{ host.work_dir }}"),
        ScriptStep(name="made", unless="test", run="make"),
    ),
)


class Answering:
    """A transport whose hosts answer each program from `said`: label → (exit status, text)."""

    def __init__(self, said: Callable[[Host, str], tuple[int, str] | None], stderr: bytes = b"") -> None:
        self.programs: list[tuple[str, list[str]]] = []
        self._said = said
        self._stderr = stderr

    def run(self, host: Host, command: Command) -> Completed:
        text = command.stdin.decode()
        labels = re.findall(r"^(?:framed|held) ([a-z]+_[0-9]+)", text, re.MULTILINE)
        self.programs.append((host.name, labels))
        found = re.search(r"=fleet-[0-9a-f]+", text)
        assert found
        frames = []
        for label in labels:
            answer = self._said(host, label)
            if answer is None:
                break
            frames.append(f"\n{found[0]}:{label}:\n{answer[1]}\n{found[0]}:{label}:{answer[0]}\n")
        return Completed(exit_status=0, stdout="".join(frames).encode(), stderr=self._stderr)

    def open(self, host: Host, argv: Sequence[str]) -> Channel:
        raise AssertionError(f"{host.name} {argv}")

    def put(self, host: Host, path: str, data: bytes, mode: int) -> None:
        raise AssertionError(f"{host.name} {path} {mode} {len(data)}")

    def get(self, host: Host, path: str, offset: int, limit: int) -> bytes:
        raise AssertionError(f"{host.name} {path} {offset} {limit}")

    def close(self) -> None:
        raise AssertionError("it is not ours to close")


def ignore(event: Event) -> None:
    assert isinstance(event, StepDone)


def test_a_host_where_all_is_right_costs_one_round_trip() -> None:
    transport = Answering(lambda _host, _label: (0, ""))
    reports = apply(transport, PLAYBOOK, [BOX], ignore, dry_run=False)
    assert [report.state for report in reports] == [StepState.RIGHT] * 2
    assert transport.programs == [("box", ["ask_0", "ask_1"])]


def test_a_change_costs_a_second_round_trip_in_which_only_that_step_is_touched() -> None:
    transport = Answering(lambda _host, label: (1, "absent") if label == "ask_0" else (0, ""))
    reports = apply(transport, PLAYBOOK, [BOX], ignore, dry_run=False)
    assert [report.state for report in reports] == [StepState.CHANGED, StepState.RIGHT]
    assert transport.programs == [("box", ["ask_0", "ask_1"]), ("box", ["record_0", "change_0", "look_0", "mark_0"])]


def test_a_dry_run_only_asks() -> None:
    transport = Answering(lambda _host, _label: (1, "absent"))
    reports = apply(transport, PLAYBOOK, [BOX, FAR], ignore, dry_run=True)
    assert {report.state for report in reports} == {StepState.WOULD_CHANGE}
    assert sorted(transport.programs) == [("box", ["ask_0", "ask_1"]), ("far", ["ask_0", "ask_1"])]


def test_reports_come_in_the_order_of_hosts_and_steps_and_every_one_is_told() -> None:
    told: list[Event] = []
    reports = apply(Answering(lambda _host, _label: (0, "")), PLAYBOOK, [FAR, BOX], told.append, dry_run=False)
    assert [(report.host, report.step) for report in reports] == [
        (host, step) for host in ("far", "box") for step in ("folder", "made")
    ]
    assert {event.report for event in told if isinstance(event, StepDone)} == set(reports)
    assert len(told) == 4


def test_a_host_that_fails_does_not_stop_another() -> None:
    def said(host: Host, label: str) -> tuple[int, str]:
        if label.startswith("ask"):
            return 1, "absent"
        return (1, "mkdir: No space left on device") if host.name == "box" and label == "change_0" else (0, "")

    reports = apply(Answering(said), PLAYBOOK, [BOX, FAR], ignore, dry_run=False)
    assert [report.state.value for report in reports] == ["failed", "skipped", "changed", "changed"]
    assert reports[0].detail == "mkdir: No space left on device"


def test_a_host_that_cannot_be_reached_fails_with_what_the_transport_says() -> None:
    def said(host: Host, label: str) -> tuple[int, str]:
        if host.name == "box":
            raise ConnectError("refused", host=host.name, hint="is sshd running?")
        return 0, label

    told: list[Event] = []
    reports = apply(Answering(said), PLAYBOOK, [BOX, FAR], told.append, dry_run=False)
    assert [report.state.value for report in reports] == ["failed", "skipped", "right", "right"]
    assert (reports[0].summary, reports[0].detail) == ("refused", "is sshd running?")
    assert len(told) == 4


def test_a_host_lost_during_the_changes_is_not_reported_as_changed() -> None:
    def said(host: Host, label: str) -> tuple[int, str]:
        if label == "change_1":
            raise ConnectError("lost", host=host.name)
        return (1, "absent") if label.startswith("ask") else (0, "")

    reports = apply(Answering(said), PLAYBOOK, [BOX], ignore, dry_run=False)
    assert [report.state.value for report in reports] == ["failed", "skipped"]
    assert reports[0].summary == "lost"


def test_a_host_that_answers_half_fails_with_the_end_of_its_stderr() -> None:
    transport = Answering(lambda _host, label: (0, "") if label == "ask_0" else None, b"\x1b[1msh: killed\x07\n")
    reports = apply(transport, PLAYBOOK, [BOX], ignore, dry_run=False)
    assert reports[0].summary == "it answered 1 of 2 questions, not `made`"
    assert reports[0].detail == "sh: killed"


def test_a_playbook_that_does_not_fit_touches_no_host() -> None:
    transport = Answering(lambda _host, _label: (0, ""))
    playbook = replace(PLAYBOOK, steps=(*PLAYBOOK.steps, DirectoryStep(name="odd", path="{{ host.work_di }}")))
    with pytest.raises(ConfigurationError, match=r"did you mean `host\.work_dir`"):
        apply(transport, playbook, [BOX], ignore, dry_run=False)
    assert transport.programs == []


def test_every_program_has_a_nonce_of_its_own() -> None:
    seen: set[bytes] = set()

    class Listening(Answering):
        def run(self, host: Host, command: Command) -> Completed:
            seen.update(re.findall(rb"=fleet-[0-9a-f]{32}", command.stdin))
            return super().run(host, command)

    transport = Listening(lambda _host, label: (1, "absent") if label == "ask_0" else (0, ""))
    apply(transport, PLAYBOOK, [BOX, FAR], ignore, dry_run=False)
    assert len(seen) == len(transport.programs) == 4
