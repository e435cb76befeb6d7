"""Inventory files."""

from __future__ import annotations

import os
import sys
import textwrap

import pytest

from fleet.codec import dump, forms, load, parse_inventory
from fleet.errors import ConfigurationError
from fleet.model.inventory import DeviceKind, Inventory, Per, Ports, Price, Role

LAB = textwrap.dedent((forms.__doc__ or "").split("code-block:: yaml\n\n")[1].split("\nA host's field")[0])
"""The file that the format's description shows."""
REAL = """\
fleet: rack
defaults: {user: prover, key: keys/id, known_hosts: ~/known, ports: 30000-30099, bus: 1GB/s}
groups:
  near: {bus: 2GB/s, python: /opt/python}
hosts:
  one: {role: head, group: near, address: 10.0.0.1, devices: [{kind: cuda}], free_slots: 0}
  two: {group: near, address: 10.0.0.2, port: 2222, bus: 3GB/s, devices: [{kind: cuda, model: L4, memory: 24GB}]}
  three.example.org: {devices: [{kind: cpu, count: 2}, {kind: cuda, count: 2}, {kind: cpu}]}
"""


def refusal(text: str) -> str:
    """The one line that is said about a file."""
    with pytest.raises(ConfigurationError) as caught:
        parse_inventory(text, "lab.yaml")
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert message.startswith("lab.yaml:")
    return message


def test_a_second_cluster_may_have_a_price() -> None:
    """What replicating costs is stated beside a GPU and a worker, and may be left out as they may."""
    text = LAB.replace("worker: 0.35/hour}", "worker: 0.35/hour, replica: 9000 once}", 1)
    assert parse_inventory(text, "lab.yaml").prices.replica == Price(amount=9000.0, per=Per.ONCE)
    assert parse_inventory(LAB, "lab.yaml").prices.replica is None


def test_the_example_of_the_format() -> None:
    """The file in the format's description is read as it says."""
    inventory = parse_inventory(LAB, "inventory/lab.yaml")
    assert (inventory.name, inventory.path, inventory.time_scale) == ("lab", "inventory/lab.yaml", 25.0)
    assert inventory.po2_range == (18, 22)
    assert (inventory.current.po2, inventory.current.agents_per_device) == (20, 1)
    assert inventory.prices.currency == "EUR"
    assert inventory.prices.gpu == Price(amount=900.0, per=Per.ONCE)
    assert inventory.prices.worker == Price(amount=0.35, per=Per.HOUR)
    assert inventory.workload.executor_rate == 20e6
    box, far = inventory.hosts
    assert inventory.head is box
    assert (box.free_slots, box.spare_power, box.bus, box.group) == (1, 300.0, 2e9, "box")
    assert (far.candidate, far.role, far.bus) == (True, Role.WORKER, None)
    first, second = box.devices
    assert (first.name, second.name, first.model) == ("gpu0", "gpu1", "RTX A4000")
    assert (first.kind, first.memory) == (DeviceKind.EMULATED, 16 * 2**30)
    assert first.emulation is not None
    assert (first.emulation.cycles_per_second, first.emulation.join, first.emulation.traffic) == (8e5, 1.0, 4096.0)
    assert box.login.connect_timeout == 5.0


def test_hosts_of_a_lab_do_not_collide() -> None:
    """Address, SSH port, ports and folder of a lab's host follow from its place in the file."""
    text = "fleet: x\nlab: {backend: loopback}\nhosts:\n  a: {role: head}\n  b: {devices: [{kind: cpu}]}\n"
    a, b = parse_inventory(text, "x.yaml").hosts
    assert (a.login.address, a.login.port, a.node_address) == ("127.0.0.11", 2211, "127.0.0.11")
    assert (b.login.address, b.login.port, b.node_address) == ("127.0.0.12", 2212, "127.0.0.12")
    assert (a.ports, b.ports) == (Ports(first=20000, last=20299), Ports(first=20300, last=20599))
    assert (a.work_dir, b.work_dir) == (".fleet/a", ".fleet/b")
    assert a.python == sys.executable
    assert a.lab
    assert b.lab


def test_this_machine_alone() -> None:
    """One host is the head by itself; its CPU devices are numbered."""
    text = "fleet: local\nlab: {backend: loopback}\nhosts: {here: {devices: [{kind: cpu, count: 2}]}}"
    (here,) = parse_inventory(text, "local.yaml").hosts
    assert here.role is Role.HEAD
    assert [(device.name, device.kind) for device in here.devices] == [
        ("cpu0", DeviceKind.CPU),
        ("cpu1", DeviceKind.CPU),
    ]


def test_a_real_host_in_a_lab() -> None:
    """`lab: false` keeps a host out of the lab, with the defaults of a real one."""
    text = f"{LAB}  real: {{address: 10.0.0.1, lab: false, devices: [rtx-a4000]}}\n"
    host = parse_inventory(text, "x.yaml").host("real")
    assert not host.lab
    assert (host.login.port, host.ports, host.python) == (22, Ports(first=20000, last=20299), "python3")


def test_host_over_group_over_defaults() -> None:
    """A field comes from the host, else from its group, else from the defaults, else from fleet."""
    one, two, three = parse_inventory(REAL, "/etc/fleet/rack.yaml").hosts
    assert (one.bus, two.bus, three.bus) == (2e9, 3e9, 1e9)
    assert (one.python, three.python) == ("/opt/python", "python3")
    assert (one.login.port, two.login.port) == (22, 2222)
    assert one.ports == three.ports == Ports(first=30000, last=30099)
    assert not any(host.lab for host in (one, two, three))
    assert one.free_slots == 0
    assert one.devices[0].memory is None
    assert two.devices[0].model == "L4"
    assert three.login.address == three.node_address == "three.example.org"
    assert [device.name for device in three.devices] == ["cpu0", "cpu1", "gpu0", "gpu1", "cpu2"]


def test_paths_are_relative_to_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key is found beside the inventory, wherever fleet is started; ~ is the operator's home."""
    monkeypatch.setenv("HOME", "/home/op")
    host = parse_inventory(REAL, "/etc/fleet/rack.yaml").hosts[0]
    assert (host.login.key, host.login.known_hosts) == ("/etc/fleet/keys/id", "/home/op/known")
    host = parse_inventory(REAL, "rack.yaml").hosts[0]
    assert host.login.key == f"{os.getcwd()}/keys/id"  # noqa: PTH109 (what the code promises)


@pytest.mark.parametrize(
    ("fields", "sudo", "words"),
    [
        ("", False, None),
        ("sudo: true", True, None),
        ("sudo_password_command: pass show 'my box'", True, ("pass", "show", "my box")),
        ("{sudo: false, sudo_password_command: pass}", False, ("pass",)),
    ],
)
def test_sudo_is_stated_by_host_group_or_default(fields: str, sudo: bool, words: tuple[str, ...] | None) -> None:  # noqa: FBT001 (a case)
    """A program for the password says that sudo is wanted; it is words, as no shell will read it."""
    fields = fields.strip("{}").replace(", ", "\n  ")
    text = f"fleet: x\ndefaults:\n  user: op\n  {fields}\nhosts: {{a: {{devices: [{{kind: cpu}}]}}}}\n"
    login = parse_inventory(text, "x.yaml").head.login
    assert (login.sudo, login.sudo_password_command) == (sudo, words)


@pytest.mark.parametrize("command", ["'\"'", '" "', '"a \\e b"', "''"])
def test_a_password_command_that_is_no_program_is_refused(command: str) -> None:
    text = f"fleet: x\nhosts:\n  a:\n    sudo_password_command: {command}\n"
    assert refusal(text).startswith("lab.yaml:4: hosts.a.sudo_password_command: expected a program")


def test_an_inventory_can_be_stored() -> None:
    """A loaded inventory is written and read back."""
    inventory = parse_inventory(LAB, "lab.yaml")
    assert load(Inventory, dump(inventory)) == inventory


def test_a_cards_segments_weigh_what_real_ones_do_and_keep_it_at_work() -> None:
    """Unless the fleet says otherwise; cores and emulated cards prove small traces once."""
    cards = "fleet: x\nworkload: {%s}\nhosts: {a: {devices: [{kind: cuda}]}}"
    plain = parse_inventory(cards % "iterations: 96", "x.yaml").workload
    assert (plain.columns * 4 << 20, plain.effort) == (8 << 20, 256)
    stated = parse_inventory(cards % "columns: 64, effort: 1", "x.yaml").workload
    assert (stated.columns, stated.effort) == (64, 1)
    assert parse_inventory(LAB, "lab.yaml").workload.columns == 8


def test_nothing_stated_is_nothing_assumed() -> None:
    """What the file leaves open stays open."""
    inventory = parse_inventory("fleet: x\nhosts: {a: {devices: [{kind: cuda}]}}", "x.yaml")
    assert (inventory.current.po2, inventory.current.agents_per_device) == (None, None)
    assert (inventory.prices.gpu, inventory.prices.worker) == (None, None)
    assert (inventory.hosts[0].free_slots, inventory.hosts[0].spare_power) == (None, None)
    assert inventory.time_scale == 1.0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("memory:", "memry:", "lab.yaml:17: devices.rtx-a4000.memry: unknown field; did you mean `memory`?"),
        (
            "cycles_per_second",
            "cycles_per_sec",
            "devices.rtx-a4000.cycles_per_sec: unknown field; did you mean `cycles_per_second`?",
        ),
        ("hosts:\n", "host:\n", "lab.yaml:22: host: unknown field; did you mean `hosts`?"),
        ("fleet: lab", "# ", "lab.yaml:1: fleet: is missing"),
        ("fleet: lab", "fleet: [lab]", "fleet: expected one value, found a list"),
        ("fleet: lab", "fleet: ../x", "fleet: expected a name of letters, digits, dots and hyphens"),
        ("16GiB", "16GX", 'memory: expected a quantity such as 16GiB, found "16GX"'),
        ("16GiB", "0", "memory: expected a quantity such as 16GiB, more than zero"),
        ("16GiB", "1e400", "memory: expected a quantity such as 16GiB"),
        ("2GB/s", "fast", 'lab.yaml:12: groups.box.bus: expected a quantity such as 2GB/s, found "fast"'),
        ("role: head", "role: hed", 'expected one of head, worker, found "hed"; did you mean `head`?'),
        ("role: head", "role: worker", "lab.yaml:22: hosts: no head: write `role: head` in one of box, far-1"),
        ("candidate: true", "role: head", "lab.yaml:33: hosts.far-1.role: expected exactly one head, found box, far-1"),
        ("free_slots: 1", "candidate: yes", "hosts.box.candidate: the head is in service"),
        ("candidate: true", "candidate: maybe", 'candidate: expected true or false, found "maybe"'),
        ("group: box", "group: bix", "lab.yaml:25: hosts.box.group: there is no group `bix`; did you mean `box`?"),
        ("bus: 2GB/s", "group: box", "groups.box.group: a group cannot be in a group"),
        ("far-1:", "Far_1:", "lab.yaml:30: hosts.Far_1: expected a name of a–z, 0–9, dots and hyphens"),
        ("far-1:", "box:", "lab.yaml:30: hosts.box: given twice, first on line 23"),
        ("far-1:", '"../x":', 'hosts."../x": expected a name'),
        ("127.0.0.12", "127.0.0.11", "hosts.far-1.node_address: 127.0.0.11 is `box` already"),
        ("127.0.0.12", "127.0.0.11\n    port: 2211", "hosts.far-1.address: 127.0.0.11 port 2211 is `box` already"),
        ("127.0.0.12", "127.0.0.1", "expected 127.0.0.2 to 127.255.255.254, found 127.0.0.1"),
        ("127.0.0.12", "10.0.0.1", "(`lab: false` for a real host)"),
        ("127.0.0.12", "-oProxyCommand=x", "address: expected a host name or an IP address"),
        ("127.0.0.12", "127.0.0.12\n    ports: 20299-20400", "hosts.far-1.ports: overlap with those of `box`"),
        ("127.0.0.12", "127.0.0.12\n    ports: 20400-20300", "ports: expected a range of ports such as 20000-20299"),
        ("127.0.0.12", "127.0.0.12\n    ports: 80-90", "from 1024 to 65535"),
        ("127.0.0.12", "127.0.0.12\n    port: 0", 'port: expected a port from 1 to 65,535, found "0"'),
        ("127.0.0.12", "127.0.0.12\n    user: -l", "user: expected a user name"),
        ("127.0.0.12", "127.0.0.12\n    python: -c", "python: expected a path"),
        ("[rtx-a4000]", "[rtx-a400]", "lab.yaml:32: hosts.far-1.devices[0]: there is no `rtx-a400` under `devices`"),
        ("[rtx-a4000]", "rtx-a4000", 'hosts.far-1.devices: expected a list, found "rtx-a4000"'),
        ("[rtx-a4000]", "[{type: rtx-a4000, memory: 1GB}]", "devices[0].memory: does not go with `type`"),
        ("[rtx-a4000]", "[{count: 2}]", "devices[0]: expected the name of a device, or `type`, or `kind`"),
        ("[rtx-a4000]", "[{kind: cpu}]", "far-1.devices: cpu devices run in real time: `lab.time_scale` must be 1"),
        ("[rtx-a4000]", "[{kind: cpu, mps: true}]", "devices[0].mps: is for CUDA devices only (`kind: cuda`)"),
        ("[rtx-a4000]", "[{kind: cpu, overhead: 1s}]", "devices[0].overhead: is for emulated devices only"),
        ("[rtx-a4000]", "[{type: rtx-a4000, count: 0}]", "devices[0].count: expected a count from 1 to 256"),
        ("[rtx-a4000]", "[[rtx-a4000]]", "devices[0]: expected a mapping, found a list"),
        ("    devices: [rtx-a4000]\n", "", "lab.yaml:30: hosts.far-1.devices: is missing: a worker only proves"),
        ("kind: emulated ", "kind: cuda ", "cycles_per_second: is for emulated devices only (`kind: emulated`)"),
        ("kind: emulated ", "kind: emulator ", "kind: expected one of cuda, cpu, emulated"),
        ("kind: emulated ", "count: 2 ", "count: belongs to the devices of a host"),
        ("cycles_per_second: 800kHz", "", "lab.yaml:14: devices.rtx-a4000.cycles_per_second: is missing"),
        ("memory: 16GiB", "", "devices.rtx-a4000.memory: is missing: an emulated device declares it"),
        ("[18, 22]", "[22, 18]", "lab.yaml:6: po2_range: expected the smaller first: [18, 22]"),
        ("[18, 22]", "[22]", "po2_range[1]: is missing"),
        ("[18, 22]", "[18, 20, 22]", "po2_range: expected 2 values, found 3"),
        ("[18, 22]", "[18, 31]", "po2_range[1]: expected a power of two of cycles from 10 to 30"),
        ("[18, 22]", "[18, 19]", "lab.yaml:4: current.po2: lies outside `po2_range`, which is 18 to 19"),
        ("900 once", "900", "lab.yaml:3: prices.gpu: expected a price such as `900 once` or `0.35/hour`"),
        ("EUR", "euro", "currency: expected a currency such as USD"),
        ("loopback", "netns", 'lab.backend: expected loopback, found "netns"'),
        ("time_scale: 25", "time_scale: 0", "lab.time_scale: expected a quantity such as 25, more than zero"),
        ("spare_power: 300", "spare_power: nan", "spare_power: expected a number, zero or more"),
        ("iterations: 4096", "iterations: 4e3", "workload.iterations: expected a number of iterations from 1"),
    ],
)
def test_mistakes(old: str, new: str, said: str) -> None:
    """A mistake is told with file, line, field, what was expected, and the nearest right name."""
    assert old in LAB
    assert said in refusal(LAB.replace(old, new, 1))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a", "lab.yaml:1: expected a mapping, found a list"),
        ("fleet: x", "lab.yaml:1: hosts: is missing"),
        ("fleet: x\nhosts: {}", "lab.yaml:2: hosts: expected at least one host"),
        ("fleet: x\nhosts:\n  a: {}", "hosts: no host has a device to prove on"),
        ("fleet: x\nhosts:\n  a:\n", "lab.yaml:3: hosts.a: is empty"),
        ("fleet: x\nhosts: [a]", "hosts: expected a mapping, found a list"),
    ],
)
def test_empty_fleets(text: str, said: str) -> None:
    """A file without the hosts it needs says so."""
    assert said in refusal(text)


def test_too_many_hosts_for_one_machine() -> None:
    """The ports of a lab's hosts end somewhere."""
    hosts = "".join(f"  h{number}: {{devices: [{{kind: cpu}}]}}\n" for number in range(160))
    text = f"fleet: x\nlab: {{backend: loopback}}\nhosts:\n  box: {{role: head}}\n{hosts}"
    assert "too many hosts for one machine: give this one its `ports`" in refusal(text)
