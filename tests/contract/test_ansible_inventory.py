"""What fleet reads from an Ansible inventory equals what the real `ansible-inventory --list` prints for it."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.codec import parse_inventory
from fleet.codec.foreign import Foreign, Format, Source, Wishes, ansible_text, load_foreign, read_foreign, render
from fleet.codec.foreign.value import Plain

PROGRAM = Path(sys.executable).with_name("ansible-inventory")
needs_ansible = pytest.mark.skipif(
    not PROGRAM.exists(), reason="ansible-core is missing: install the `test` extra, nothing is compared without it"
)

Files = dict[str, str]
"""A folder's files by their path; the first is the inventory."""

RANGES: Files = {
    "hosts": """
lonely ansible_host=10.0.0.9   # a comment
[web]
node[01:03].lab:2222 ansible_user=ubuntu http_port=80
db-[a:c] tags="['x', 'y']" ok=True nothing=None ratio=0.5 spaced="a b" tuple="(1, 2)"
even[0:6:2]-rack[1:2]
[2001:db8::1]:2200
2001:db8::2
10.0.0.[1:3]
[web:vars]
json={"a": [1, 2]}
text = with spaces # and this
quoted="in quotes"
octal=0700
hex=0x1f
; another comment
[empty]
[all:vars]
ansible_python_interpreter=/usr/bin/python3
"""
}
CHILDREN: Files = {
    "inventory.ini": """
[dc:children]
rack1
rack2
[rack1]
a x=host
b
[rack2:children]
deep
[deep]
b
c
[dc:vars]
x=dc
y=dc
[rack1:vars]
y=rack1
z=rack1
[deep:vars]
z=deep
[alpha]
b
[alpha:vars]
w=alpha
[beta]
b
[beta:vars]
w=beta
[alpha:vars]
ansible_group_priority=10
[all]
d
"""
}
YAML: Files = {
    "hosts.yaml": """
all:
  vars: {v: all, when: 2026-01-02, at: 2026-01-02 03:04:05, on: yes, no_value: ~, big: 1_000, sixty: 1:30}
  hosts:
    alone:
    node[1:2]: &shared {ansible_port: 2222, list: [1, two, {three: 3}]}
  children:
    gpu:
      hosts:
        node[1:2]: {<<: *shared}
        box:2200:
      vars: {v: gpu}
      children:
        big:
          hosts: box
    empty:
loose:
  hosts: {far: {2: two}}
  children: {big: }
"""
}
BESIDE: Files = {
    "hosts.ini": "[web]\na v=host\nb\n[web:vars]\nv=inventory\nu=inventory\n[all:vars]\nt=inventory\n[db]\nb\n",
    "group_vars/all.yml": "v: all-file\nt: all-file\nu: all-file\n",
    "group_vars/web/one.yml": "v: web-one\np: 1\n",
    "group_vars/web/two.yaml": "v: web-two\nq: 2\n",
    "group_vars/web/deep/three": "r: 3\n",
    "group_vars/web/.hidden.yml": "hidden: 1\n",
    "group_vars/web/old.yml~": "backup: 1\n",
    "group_vars/web/notes.txt": "notes: 1\n",
    "group_vars/db.json": '{"j": {"k": [1, null, true]}}',
    "group_vars/db.yaml": "never: read\n",
    "group_vars/ungrouped.yml": "",
    "host_vars/a.yaml": "v: host-file\n",
    "host_vars/b": "v: host-b\n",
}
SUPERBENCH: Files = {
    "remote.ini": """[all]
10.0.0.100
10.0.0.101
[all:vars]
ansible_user=superbench
ansible_ssh_private_key_file=/keys/id_ed25519
ansible_ssh_common_args='-o StrictHostKeyChecking=yes'
"""
}
LOCAL: Files = {"local.ini": "[all]\nlocalhost ansible_connection=local\n"}


@needs_ansible
@pytest.mark.parametrize("files", [RANGES, CHILDREN, YAML, BESIDE, SUPERBENCH, LOCAL])
def test_what_ansible_lists(files: Files, tmp_path: Path) -> None:
    """Hosts, groups in their order, and every folded variable are Ansible's own."""
    main = _written(files, tmp_path)
    assert _as_listed(load_foreign(str(main), Format.ANSIBLE)) == _list(main, tmp_path)


@needs_ansible
def test_what_ansible_lists_of_any_inventory(tmp_path: Path) -> None:
    """The same of inventories made at random: nested groups, priorities, hosts in several, ranges, files beside."""
    chances = [random.Random(seed) for seed in range(24)]  # noqa: S311 (inventories, no secrets)
    mains = [_written(_random_files(chance), tmp_path / str(at)) for at, chance in enumerate(chances)]
    for main, listed in zip(mains, _lists(mains, tmp_path), strict=True):
        assert _as_listed(load_foreign(str(main), Format.ANSIBLE)) == listed, main


@needs_ansible
def test_its_list_is_read_back(tmp_path: Path) -> None:
    """What `ansible-inventory --list` prints, the way round for dynamic inventories, gives the same hosts."""
    main = _written(CHILDREN, tmp_path)
    (tmp_path / "list.json").write_text(json.dumps(_list(main, tmp_path)), encoding="utf-8")
    first, second = (load_foreign(str(path), None) for path in (main, tmp_path / "list.json"))
    assert {host.name: host.variables for host in first.hosts} == {host.name: host.variables for host in second.hosts}
    assert {host.name: set(host.groups) for host in first.hosts} == {h.name: set(h.groups) for h in second.hosts}


@needs_ansible
def test_ansible_reads_the_export(tmp_path: Path) -> None:
    """Ansible finds every exported host in its groups, with its login and variables: all that fleet finds there."""
    text = """
fleet: prod
vars: {domain: example.org, peers: [a, "2"], token: {from_env: TOKEN}}
defaults: {user: ubuntu}
groups: {rack-1: {key: id, vars: {domain: rack.example.org}}}
hosts:
  box: {role: head, address: 10.0.0.1, port: 2222, devices: [{kind: cuda, count: 2}]}
  far: {address: "2001:db8::1", group: rack-1, devices: [{kind: cpu}], candidate: true}
"""
    inventory = parse_inventory(text, str(tmp_path / "prod.yaml"))
    main = _written({"export.yaml": ansible_text(inventory)}, tmp_path)
    listed = _list(main, tmp_path)
    assert _as_listed(load_foreign(str(main), Format.ANSIBLE)) == listed
    assert listed["fleet_head"] == {"hosts": ["box"]}
    assert listed["fleet_candidates"] == {"hosts": ["far"]}
    assert listed["rack_1"] == {"hosts": ["far"]}
    found: Any = listed["_meta"]["hostvars"]
    assert found["box"]["ansible_host"] == "10.0.0.1"
    assert found["box"]["ansible_port"] == 2222
    assert (found["box"]["domain"], found["far"]["domain"]) == ("example.org", "rack.example.org")
    assert found["box"]["peers"] == ["a", "2"]
    assert "token" not in found["box"]
    assert found["far"]["ansible_host"] == "2001:db8::1"
    assert found["far"]["ansible_user"] == "ubuntu"
    assert found["far"]["ansible_ssh_private_key_file"] == str(tmp_path / "id")


def test_an_export_is_read_back() -> None:
    """Export and import lose nothing of a host."""
    text = """
fleet: prod
devices: {card: {kind: cuda, model: "RTX: 4090", memory: 24GiB}}
vars: {domain: example.org, peers: [a, "2", "no"], flag: "true", number: "0700", odd: "a: b # c\\n{d}", none: ""}
groups: {rack-1: {key: ~/id, user: ops, sudo: true, connect_timeout: 2.5s, vars: {domain: rack.example.org}}}
hosts:
  box: {role: head, address: 10.0.0.1, port: 2222, free_slots: 1, bus: 2GB/s, spare_power: 300, devices: []}
  far: {group: rack-1, devices: [{type: card, count: 2}, {kind: cpu}], candidate: true, node_address: 10.9.0.1}
  near: {devices: [{kind: emulated, memory: 1GiB, cycles_per_second: 1MHz}], python: /opt/py, ports: 30000-30100}
"""
    inventory = parse_inventory(text, "prod.yaml")
    foreign = read_foreign(Source(path="export.yaml", text=ansible_text(inventory)), Format.ANSIBLE)
    assert not foreign.lost
    again = parse_inventory(render(foreign, Wishes()), "prod.yaml")
    assert again.hosts == inventory.hosts
    assert again.name == "prod"


def _written(files: Files, folder: Path) -> Path:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder / next(iter(files))


_LISTER = """
import os, sys
from ansible.cli.inventory import InventoryCLI
for main in sys.argv[1:]:
    if os.fork() == 0:
        InventoryCLI(["ansible-inventory", "-i", main, "--list", "--output", main + ".listed"]).run()
    assert os.wait()[1] == 0
"""
"""`ansible-inventory --list` for each argument; its start, which takes most of a second, happens once."""


def _lists(mains: list[Path], home: Path) -> list[dict[str, dict[str, Plain]]]:
    _run([sys.executable, "-c", _LISTER, *map(str, mains)], home)
    return [_parsed(main.with_name(f"{main.name}.listed").read_text(encoding="utf-8")) for main in mains]


def _list(main: Path, home: Path) -> dict[str, dict[str, Plain]]:
    return _parsed(_run([str(PROGRAM), "-i", str(main), "--list"], home))


def _run(command: list[str], home: Path) -> str:
    plain = {"HOME": str(home), "ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_DEPRECATION_WARNINGS": "false"}
    done = subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **plain},
        cwd="/",
        capture_output=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def _parsed(text: str) -> dict[str, dict[str, Plain]]:
    listed: dict[str, dict[str, Plain]] = json.loads(text)
    listed["_meta"].pop("profile")
    return listed


def _as_listed(foreign: Foreign) -> dict[str, dict[str, Plain]]:
    """As `ansible-inventory --list` says it: empty groups and empty parts are left out, `all` names no hosts."""
    hostvars: dict[str, Plain] = {host.name: dict(host.variables) for host in foreign.hosts if host.variables}
    listed: dict[str, dict[str, Plain]] = {"_meta": {"hostvars": hostvars}}
    for group in foreign.groups:
        hosts: list[Plain] = list(group.hosts) if group.name != "all" else []
        parts: dict[str, Plain] = {"hosts": hosts, "children": list(group.children)}
        filled: dict[str, Plain] = {name: part for name, part in parts.items() if part}
        if filled:
            listed[group.name] = filled
    return listed


def _random_files(chance: random.Random) -> Files:
    groups = [f"g{number}" for number in range(chance.randint(2, 7))]
    lines = [f"loose{number}" for number in range(chance.randint(0, 2))]
    for group in groups:
        lines.append(f"[{group}]")
        hosts = chance.sample(range(5), k=chance.randint(0, 4))
        lines += [f"h{host} {_assignment(chance) if chance.random() < 0.2 else ''}" for host in hosts]
        lines += ["r[08:11]"] if chance.random() < 0.2 else []
    for at, group in enumerate(groups):
        below = chance.sample(groups[at + 1 :], k=min(len(groups) - at - 1, chance.randint(0, 2)))
        lines += [f"[{group}:children]", *below] if below else []
        lines += [f"[{group}:vars]", *(_assignment(chance) for _ in range(chance.randint(1, 4)))]
        lines += [f"ansible_group_priority={chance.randint(0, 9)}"] if chance.random() < 0.5 else []
    files = {"hosts.ini": "\n".join([*lines, "[all:vars]", _assignment(chance)])}
    for kind, name in _named(chance, groups):
        files[f"{kind}_vars/{name}.yml"] = f"v{chance.randint(0, 3)}: file-{kind}-{name}\n"
    return files


def _named(chance: random.Random, groups: list[str]) -> Iterator[tuple[str, str]]:
    yield from (("group", name) for name in ["all", "ungrouped", *groups] if chance.random() < 0.4)
    yield from (("host", f"h{number}") for number in range(6) if chance.random() < 0.3)


def _assignment(chance: random.Random) -> str:
    return f"v{chance.randint(0, 3)}={chance.choice(['1', 'one', 'True', '[1,2]', '0.5', '007'])}"
