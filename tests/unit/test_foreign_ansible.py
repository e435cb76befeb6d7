"""Ansible inventories as text: what becomes of hosts, groups and variables, what is refused, what is listed as lost."""

from __future__ import annotations

import json

import pytest

from fleet.codec.foreign import Foreign, Format, Source, read_foreign
from fleet.codec.foreign.hostpattern import expand
from fleet.codec.forms import HostForm
from fleet.errors import ConfigurationError


def read(text: str, path: str = "hosts.ini", **beside: str) -> Foreign:
    files = {name.replace("__", "/"): Source(path=name, text=content) for name, content in beside.items()}
    return read_foreign(Source(path=path, text=text), Format.ANSIBLE, beside=files)


def lost(foreign: Foreign) -> str:
    return "\n".join(item.text for item in foreign.lost)


def test_login_fields() -> None:
    """Ansible's connection variables become the fields of the host, the SSH-specific name wins."""
    line = "box ansible_host=10.0.0.1 ansible_port=2222 ansible_user=a ansible_ssh_user=b ansible_private_key_file=~/id"
    (host,) = read(f"{line} ansible_python_interpreter=/opt/py").hosts
    form = host.form
    assert (form.address, form.port, form.user, form.key, form.python) == ("10.0.0.1", 2222, "b", "~/id", "/opt/py")


def test_becoming_root() -> None:
    """`ansible_become` is sudo, unless another method is named."""
    foreign = read("a ansible_become=yes\nb ansible_become=true ansible_become_method=su\nc ansible_become=false")
    assert [host.form.sudo for host in foreign.hosts] == [True, None, False]
    assert "hosts.ini:2: ansible_become_method: fleet becomes root by sudo only" in lost(foreign)


def test_no_program_is_imported() -> None:
    """A variable that names a program of the controller is not taken over, whoever wrote it."""
    foreign = read("box fleet_sudo_password_command='rm -rf /' fleet_lab=true fleet_work_dir=/srv/fleet")
    assert "fleet_lab: fleet's inventory has no field" in lost(foreign)
    assert "fleet_sudo_password_command: a secret is never copied" in lost(foreign)
    assert foreign.hosts[0].form == HostForm(address="box", work_dir="/srv/fleet")


def test_automatic_interpreter() -> None:
    """`auto_silent` is no program."""
    (host,) = read("box ansible_python_interpreter=auto_silent").hosts
    assert host.form.python is None


def test_nearest_group_first() -> None:
    """The groups that name the host come before those that contain its groups."""
    (host,) = read("[dc:children]\nrack\n[rack]\nbox\n").hosts
    assert host.groups == ("rack", "dc")


def test_secrets_are_named_and_never_shown() -> None:
    """A password's name is listed, its value stands nowhere."""
    foreign = read("box ansible_password=hunter2 ansible_become_pass=hunter2 api_token=hunter2")
    assert "ansible_become_pass, ansible_password, api_token: a secret is never copied" in lost(foreign)
    assert "hunter2" not in lost(foreign)


def test_expressions_are_not_evaluated() -> None:
    """A host whose address is an expression is left out; another field that is one is only lost."""
    foreign = read("a ansible_host='{{ lookup(\"pipe\", \"id\") }}'\nb ansible_user='{{ who }}' x='{{ y }}'")
    assert [host.name for host in foreign.hosts] == ["b"]
    assert foreign.hosts[0].form.user is None
    assert "a: left out: its address is not known" in lost(foreign)
    assert "user: an expression: fleet does not evaluate it" in lost(foreign)
    assert "x: an expression is not evaluated" in lost(foreign)


def test_vault_values_are_lost_with_their_line() -> None:
    """`!vault` is left out of the variables and named with file and line."""
    text = "all:\n  hosts:\n    box:\n      secret: !vault |\n        $ANSIBLE_VAULT;1.1;AES256\n        6162\n"
    foreign = read(text, "hosts.yaml")
    assert dict(foreign.hosts[0].variables) == {}
    assert "hosts.yaml:4: all.hosts.box.secret: encrypted by ansible-vault" in lost(foreign)


def test_vault_file_of_variables() -> None:
    """An encrypted group_vars file is lost as a whole."""
    foreign = read("box", group_vars__all="$ANSIBLE_VAULT;1.1;AES256\n6162")
    assert "group_vars__all: the file: encrypted" in lost(foreign)


def test_variables_beside_win() -> None:
    """A file of a group wins over the inventory's group, the host's own line over both, its file over all."""
    text = "[web]\nbox c=line\n[web:vars]\na=inventory\nb=inventory\n"
    foreign = read(text, group_vars__web="b: file\nc: file\n", host_vars__box="d: file")
    assert dict(foreign.hosts[0].variables) == {"a": "inventory", "b": "file", "c": "line", "d": "file"}


def test_other_connections_are_left_out() -> None:
    """What Ansible does not reach by SSH, fleet cannot reach; a local host stays, with a remark."""
    foreign = read("win ansible_connection=winrm\nlocalhost ansible_connection=local\n")
    assert [host.name for host in foreign.hosts] == ["localhost"]
    assert "by SSH" in foreign.hosts[0].remark
    assert "win: left out" in lost(foreign)


def test_listing_of_a_dynamic_inventory() -> None:
    """The JSON of `ansible-inventory --list`, children and all, is an inventory too."""
    listing = {
        "_meta": {"hostvars": {"a": {"ansible_host": "10.0.0.1"}, "b": {}}, "profile": "inventory_legacy"},
        "all": {"children": ["ungrouped", "web"]},
        "web": {"hosts": ["a", "b"]},
        "old": ["b"],
    }
    foreign = read(json.dumps(listing), "list.json")
    assert {host.name: host.groups for host in foreign.hosts} == {"a": ("web",), "b": ("web", "old")}
    assert foreign.hosts[0].form.address == "10.0.0.1"


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("h.ini", "#!/bin/sh\necho", "h.ini:1: a dynamic inventory (a program)"),
        ("h.yaml", "plugin: aws_ec2\n", "h.yaml:1: a dynamic inventory (plugin aws_ec2)"),
        ("h.yaml", "[a, b]", "expected groups"),
        ("h.yaml", "web: {hosts: [a]}", "h.yaml:1: web.hosts: expected a mapping"),
        ("h.yaml", "web: {hosts: {a: 5}}", "web.hosts.a: expected a mapping of variables"),
        ("h.yaml", "a: {children: {b: {children: {a: }}}}", "would contain itself"),
        ("h.ini", "[a]\nx\n[web:hosts:vars]\n", "h.ini:3: expected a section"),
        ("h.ini", "x\n[a:things]\n", "h.ini:2: expected one of hosts, children, vars"),
        ("h.ini", "x\n[a:children]\nb\n", "h.ini:3: [a:children] names the group b, which has no section"),
        ("h.ini", "x\n[a:vars]\nb=1\n", "h.ini:2: [a:vars] belongs to a group that has no section"),
        ("h.ini", "[a:children]\nb\n[b:children]\na\n[c]\nx", "would contain itself"),
        ("h.ini", "box key\n", "h.ini:1: expected key=value after the host, found key"),
        ("h.ini", "[a]\nx\n[a:vars]\nnothing\n", "h.ini:4: expected key=value"),
        ("h.ini", "box 'open\n", "h.ini:1: No closing quotation"),
        ("h.ini", "box[5:x]\n", "h.ini:1: expected a range such as [01:16]"),
        ("h.ini", "box[01:100]\n", "differ in length"),
        ("h.ini", "box[b:a]\n", "runs backwards"),
        ("h.ini", "box[0:999999999]\n", "more than 4,096 hosts"),
        ("h.ini", "a[0:99][0:99]\n", "more than 4,096 hosts"),
        ("h.ini", "a[0:2999]\nb[0:2999]\n", "h.ini:2: more than 4,096 hosts"),
        ("h.ini", "box:\n", "a port should follow"),
        ("h.ini", "x" * 300, "up to 255 characters"),
        ("h.ini", "---\n", "this is YAML"),
        ("h.ini", "[a]\nx\n[a:vars]\nansible_group_priority=high\n", "h.ini:4: ansible_group_priority"),
        ("h.ini", "# nothing\n", "h.ini: no host in it"),
        ("h.ini", "$ANSIBLE_VAULT;1.1;AES256", "h.ini: encrypted"),
    ],
)
def test_refused(path: str, text: str, said: str) -> None:
    """What is no inventory is refused in one line that says where and what was expected."""
    with pytest.raises(ConfigurationError) as caught:
        read(text, path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "names", "port"),
    [
        ("box", ["box"], None),
        ("box:22", ["box"], 22),
        ("n[08:10].lab", ["n08.lab", "n09.lab", "n10.lab"], None),
        ("n[0:6:3]", ["n0", "n3", "n6"], None),
        ("r[a:b][1:2]", ["ra1", "ra2", "rb1", "rb2"], None),
        ("[2001:db8::1]:2200", ["2001:db8::1"], 2200),
        ("2001:db8::2", ["2001:db8::2"], None),
        ("10.0.0.[1:2]:22", ["10.0.0.1", "10.0.0.2"], 22),
    ],
)
def test_patterns(pattern: str, names: list[str], port: int | None) -> None:
    """Ranges, letters, steps, ports and IPv6, as Ansible expands them."""
    assert expand(pattern) == (tuple(names), port)
