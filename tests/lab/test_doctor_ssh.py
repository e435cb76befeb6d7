"""`fleet doctor` on hosts with real SSH servers, and both ends of the link test on real sockets."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.codec import load, load_inventory
from fleet.lab.loopback import running
from fleet.lab.processes import start_time
from fleet.measure.clock import SystemClock
from fleet.model.checkup import Check, Diagnosis, Light
from fleet.provision.doctor import examine
from fleet.remote import linkprobe
from fleet.transport.ssh import SshTransport

pytestmark = pytest.mark.lab

INVENTORY = """\
fleet: doctored
lab: {{backend: loopback}}
hosts:
  box: {{role: head, devices: [{{kind: cpu}}], address: 127.0.0.42, port: {0}, ports: 31000-31049}}
  far: {{devices: [{{kind: cpu}}], address: 127.0.0.43, port: {1}, ports: 31050-31099}}
"""


@pytest.fixture
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    file = tmp_path / "doctored.yaml"
    with socket.create_server(("127.0.0.42", 0)) as box, socket.create_server(("127.0.0.43", 0)) as far:
        file.write_text(INVENTORY.format(box.getsockname()[1], far.getsockname()[1]))
    return file


def doctor(*words: str | Path, backend: str = "auto") -> subprocess.CompletedProcess[str]:
    argv = (sys.executable, "-c", "from fleet.cli import main; main()", "doctor", *map(str, words))
    environment = os.environ | {"COLUMNS": "120", "FLEET_LAB_BACKEND": backend}
    return subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=200, env=environment
    )


def of(found: Diagnosis, host: str) -> dict[str, Check]:
    return {check.name: check for one in found.checkups if one.host == host for check in one.checks}


def test_a_healthy_lab_has_nothing_red(inventory: Path, backend: str) -> None:
    """Links are really tried: both directions' ports, round trip and bandwidth from the worker to the head."""
    done = doctor(inventory, "--json", backend=backend)
    assert done.returncode == 0, done.stderr
    found = load(Diagnosis, done.stdout)
    box, far = of(found, "box"), of(found, "far")
    assert found.count(Light.RED) == 0
    assert {"reach", "host key", "sudo", "Python", "disk", "memory", "shared memory", "clock", "driver"} <= set(box)
    assert box["ports"].seen == "8 tried of each range, all open: far"
    assert far["ports"].seen == "8 tried of each range, all open: box"
    assert (far["round trip"].light, far["bandwidth"].light) == (Light.GREEN, Light.GREEN)


def test_the_table_names_every_host_and_counts(inventory: Path) -> None:
    done = doctor(inventory)
    assert done.returncode == 0, done.stderr
    assert "BOX" in done.stdout
    assert "FAR" in done.stdout
    assert "0 red" in done.stdout


def test_each_finding_stays_with_its_host(inventory: Path) -> None:
    """One host's Python does not run and another program holds a port of its range; the other host is well."""
    with running(load_inventory(str(inventory))) as lab, closing(SshTransport()) as transport:
        box, far = lab.hosts
        broken = replace(lab, hosts=(box, replace(far, python="/no/such/python")))
        with socket.create_server(("127.0.0.43", 31050)):
            found = examine(transport, broken, SystemClock())
    assert of(found, "far")["Python"].light is Light.RED
    assert of(found, "far")["own ports"].seen == "in use: 31050 of 31050-31099"
    assert of(found, "box")["Python"].light is Light.GREEN
    assert "7 tried" in of(found, "box")["ports"].seen
    assert of(found, "far")["round trip"].light is Light.GREEN
    assert all(check.cure for one in found.checkups for check in one.checks if check.light is Light.RED)


def test_a_host_that_is_down_is_red_and_the_rest_is_examined(inventory: Path) -> None:
    text = inventory.read_text().replace("lab: {backend: loopback}", "lab: {backend: loopback}\ndefaults: {}")
    inventory.write_text(text.replace("ports: 31050-31099", "ports: 31050-31099, lab: false, user: nobody"))
    done = doctor(inventory, "--json")
    assert done.returncode == 3
    found = load(Diagnosis, done.stdout)
    assert "to be cured: far" in done.stderr
    assert list(of(found, "far")) == ["reach"]
    assert "nothing listens" in of(found, "far")["reach"].seen
    assert of(found, "box")["disk"].light is not Light.RED


# Both ends of the link test


@contextmanager
def ear(ports: list[int], address: str = "127.0.0.42") -> Iterator[tuple[subprocess.Popen[str], dict[str, object]]]:
    """The listening end as a program of its own, and what it says first."""
    argv = (sys.executable, "-I", linkprobe.__file__)
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True) as program:
        try:
            assert program.stdin
            assert program.stdout
            order = {"host": "box", "address": address, "ports": ports, "token": "t" * 32}
            program.stdin.write(json.dumps(order) + "\n")
            program.stdin.flush()
            yield program, json.loads(program.stdout.readline())
        finally:
            program.kill()


def call(ports: list[int], capsys: pytest.CaptureFixture[str], **more: object) -> dict[str, object]:
    target = {"host": "box", "address": "127.0.0.42", "ports": ports, "token": "t" * 32, "measure": False, **more}
    linkprobe.call({"targets": [target], "timeout": 1.0})  # type: ignore[list-item]
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def free_ports(count: int) -> list[int]:
    servers = [socket.create_server(("127.0.0.42", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in servers]
    for server in servers:
        server.close()
    return ports


def test_a_way_is_open_only_where_the_host_itself_answers(capsys: pytest.CaptureFixture[str]) -> None:
    """Refused, silent, somebody else, and somebody who does not have the token: each with its reason."""
    open_, refused, taken = free_ports(3)
    with socket.create_server(("127.0.0.42", taken)), ear([open_, taken]) as (_, said):
        assert said == {"ports": [open_], "taken": [taken], "own": True}
        found = call([open_, refused, taken], capsys)
        assert found["open"] == [open_]
        assert found["closed"] == [[refused, "Connection refused"], [taken, "no answer"]]
        assert call([open_], capsys, token="f" * 32)["closed"] == [[open_, "something else answers there"]]
        assert call([open_], capsys, host="far")["closed"] == [[open_, "something else answers there"]]


def test_rates_are_of_bytes_that_arrived(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linkprobe, "BULK_BYTES", 2**20)
    (port,) = free_ports(1)
    with ear([port]):
        found = call([port], capsys, measure=True)
    for figure in ("rtt", "up", "down"):
        value = found[figure]
        assert isinstance(value, float)
        assert value > 0


def test_an_address_of_somebody_elses_is_said_and_listened_for_anyway() -> None:
    """192.0.2.1 is nobody's (RFC 5737), as a host's outer address behind NAT is not its own."""
    with ear(free_ports(1), "192.0.2.1") as (_, said):
        assert said["own"] is False


def test_a_name_that_does_not_resolve_is_an_answer() -> None:
    with ear(free_ports(1), "no.such.host.invalid") as (_, said):
        assert list(said) == ["problem"]


def test_the_listener_ends_with_its_stdin() -> None:
    with ear(free_ports(1)) as (program, _):
        born = start_time(program.pid)
        assert program.stdin
        program.stdin.close()
        assert program.wait(30) == 0
        assert born


def test_a_link_that_breaks_while_it_is_measured_gives_no_figure(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.42", 0)) as server:

        def answer() -> None:
            for _ in range(2):
                link, _peer = server.accept()
                with link:
                    link.recv(200)
                    link.sendall(b"box\n")

        threading.Thread(target=answer, daemon=True).start()
        found = call([server.getsockname()[1]], capsys, measure=True)
    assert found["open"]
    assert "rtt" not in found
