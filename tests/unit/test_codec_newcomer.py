"""Workers as they are named: URLs, names, devices, files of many; and one clear line for what makes no sense."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.codec import parse_inventory
from fleet.codec.edit import flow, with_host
from fleet.codec.newcomer import (
    Address,
    Newcomer,
    device_kinds,
    entry_of,
    found_devices,
    has_devices,
    is_lab,
    known_host,
    load_newcomers,
    name_of,
    own_python,
    parse_url,
)
from fleet.errors import ConfigurationError
from fleet.model.facts import Facts

TEXT = """\
fleet: x
groups: {far: {devices: [{kind: cpu}]}, bare: {user: me}}
devices: {a4000: {kind: cuda, model: RTX A4000}}
hosts:
  box: {role: head, address: 10.0.0.1, devices: [a4000]}
  far-1: {address: 10.0.0.2, port: 2222, devices: [a4000], candidate: true}
"""
FLEET = parse_inventory(TEXT, "x.yaml")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ssh://10.0.0.7", Address(address="10.0.0.7", port=22, user=None)),
        ("ssh://me@box.example.org:2222/", Address(address="box.example.org", port=2222, user="me")),
        ("ssh://root@[::1]:2222", Address(address="::1", port=2222, user="root")),
        ("ssh://[fe80::1%eth0]", Address(address="fe80::1%eth0", port=22, user=None)),
    ],
)
def test_a_url_is_read_part_by_part(text: str, address: Address) -> None:
    assert parse_url(text) == address


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ssh://", "expected ssh://"),
        ("http://box", "expected ssh://"),
        ("ssh://box:0", "a port from 1 to"),
        ("ssh://box:99999", "a port from 1 to"),
        ("ssh://box:22x", "a port from 1 to"),
        ("ssh://a b@box", "expected ssh://"),
        ("ssh://-oProxyCommand=x@box", "expected a user name"),
        ("ssh://-box", "expected a host name"),
        ("ssh://::1", "in brackets"),
        ("ssh://[box]:22", "no IPv6 address"),
        ("ssh://box/path", "expected ssh://"),
        ("ssh://me:secret@box", "expected"),
    ],
)
def test_what_is_no_url_is_refused_in_one_line(text: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as error:
        parse_url(text)
    assert "\n" not in str(error.value)


@given(st.text(max_size=40))
def test_no_url_gives_a_traceback(text: str) -> None:
    said: str | Address
    try:
        said = parse_url(f"ssh://{text}")
    except ConfigurationError as error:
        said = str(error)
    assert isinstance(said, Address) or said.isprintable()


def test_a_host_is_known_by_its_name_or_by_where_it_is() -> None:
    assert known_host(FLEET, Newcomer(host="far-1")) is FLEET.host("far-1")
    assert known_host(FLEET, Newcomer(host="ssh://10.0.0.2:2222")) is FLEET.host("far-1")
    assert known_host(FLEET, Newcomer(host="ssh://10.0.0.2")) is None
    with pytest.raises(ConfigurationError, match="did you mean `far-1`"):
        known_host(FLEET, Newcomer(host="far-2"))
    with pytest.raises(ConfigurationError, match=r"--name box: a host of that name is at 10\.0\.0\.1"):
        known_host(FLEET, Newcomer(host="ssh://10.0.0.9", name="box"))


def test_a_name_is_made_of_the_address_where_none_is_given() -> None:
    assert name_of(Newcomer(host="ssh://Far-7.example.org"), []) == "far-7"
    assert name_of(Newcomer(host="ssh://far-7.example.org"), ["far-7"]) == "far-7-2"
    assert name_of(Newcomer(host="ssh://10.0.0.7"), []) == "worker-10.0.0.7"
    assert name_of(Newcomer(host="ssh://[fe80::1]"), []) == "worker-fe80-1"
    assert name_of(Newcomer(host="ssh://[::1]:2222"), []) == "worker-1"
    with pytest.raises(ConfigurationError, match="--name A B"):
        name_of(Newcomer(host="ssh://10.0.0.7", name="A B"), [])


def test_an_entry_becomes_a_host_of_the_inventory() -> None:
    asked = Newcomer(
        host="ssh://me@[::7]:2222", name="far-7", group="bare", cost="1.20/hour", device=("a4000:2", "cpu:3", "cuda")
    )
    entry = entry_of(asked, device_kinds(TEXT, "x"), lab=False)
    host = parse_inventory(with_host(TEXT, "x", "far-7", entry), "x").host("far-7")
    assert (host.login.address, host.login.port, host.login.user) == ("::7", 2222, "me")
    assert [device.name for device in host.devices] == ["gpu0", "gpu1", "cpu0", "cpu1", "cpu2", "gpu2"]
    assert host.cost is not None
    assert host.cost.amount == 1.2
    with pytest.raises(ConfigurationError, match="--device a400: unknown; did you mean `a4000`"):
        entry_of(Newcomer(host="ssh://a", device=("a400",)), device_kinds(TEXT, "x"), lab=False)
    with pytest.raises(ConfigurationError, match="--cost cheap: expected a price"):
        entry_of(Newcomer(host="ssh://a", cost="cheap"), (), lab=False)


def test_a_real_host_beside_a_labs_is_said_to_be_one() -> None:
    assert entry_of(Newcomer(host="ssh://10.0.0.7"), (), lab=True)["lab"] is False
    assert entry_of(Newcomer(host="ssh://[::1]"), (), lab=True)["lab"] is False
    assert "lab" not in entry_of(Newcomer(host="ssh://127.0.0.53:2253"), (), lab=True)
    assert is_lab(TEXT + "lab: {backend: loopback}\n", "x")
    assert not is_lab(TEXT, "x")


def test_devices_come_from_the_group_or_from_what_the_survey_saw() -> None:
    assert has_devices(TEXT, "x", {"devices": ["a4000"]})
    assert has_devices(TEXT, "x", {"group": "far"})
    assert not has_devices(TEXT, "x", {"group": "bare"})
    facts = Facts(
        host="far-7",
        system="Linux",
        kernel="6",
        cpu_model=None,
        cores=4,
        memory=1,
        disk_free=None,
        python="3.11.2",
        ray=None,
        fleet=None,
        gpus=("NVIDIA RTX A4000, 16376 MiB", "NVIDIA RTX A4000, 16376 MiB", "Tesla T4, 15360 MiB"),
    )
    entry = flow(found_devices(facts))
    assert entry == (
        "[{kind: cuda, model: NVIDIA RTX A4000, memory: 16376MiB, count: 2},"
        " {kind: cuda, model: Tesla T4, memory: 15360MiB, count: 1}]"
    )
    whole = parse_inventory(with_host(TEXT, "x", "far-7", {"devices": found_devices(facts)}), "x")
    assert [device.model for device in whole.host("far-7").devices] == ["NVIDIA RTX A4000"] * 2 + ["Tesla T4"]
    with pytest.raises(ConfigurationError, match="no device was found"):
        found_devices(Facts(**{name: getattr(facts, name) for name in facts.__slots__ if name != "gpus"}))


def test_fleet_makes_a_python_where_the_inventory_names_none() -> None:
    assert own_python(FLEET.host("far-1")) == ".fleet/venv/bin/python"
    named = parse_inventory(TEXT.replace("port: 2222", "python: python3.12"), "x").host("far-1")
    assert own_python(named) is None


def test_a_file_of_many_is_read_by_line_or_as_yaml(tmp_path: Path) -> None:
    lines, yaml = tmp_path / "many.txt", tmp_path / "many.yaml"
    lines.write_text("# two\nssh://10.0.0.7 --name far-7 --device a4000 --device cpu:2\n\nfar-1   # a candidate\n")
    yaml.write_text("- {host: ssh://10.0.0.7, name: far-7, device: [a4000, 'cpu:2']}\n- host: far-1\n")
    wanted = (Newcomer(host="ssh://10.0.0.7", name="far-7", device=("a4000", "cpu:2")), Newcomer(host="far-1"))
    assert load_newcomers(str(lines)) == wanted
    assert load_newcomers(str(yaml)) == wanted


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("far-1\nfar-2 --nome x\n", "many.txt:2: --nome: unknown; did you mean `--name`"),
        ("far-1 --name\n", "many.txt:1: --name: expected a value"),
        ("far-1 'open\n", "many.txt:1: No closing quotation"),
        ("# nobody\n", "expected 1 to 512 workers, found 0"),
    ],
)
def test_a_damaged_file_is_refused_with_its_line(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "many.txt"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=why):
        load_newcomers(str(file))
