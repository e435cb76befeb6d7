"""A foreign inventory as fleet's own text: it always loads, shares what is alike, says what was guessed or lost."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.codec import parse_inventory
from fleet.codec.foreign import (
    Foreign,
    Format,
    Source,
    Wishes,
    ansible_text,
    choose,
    parse_devices,
    read_foreign,
    render,
)
from fleet.codec.foreign.read import detect
from fleet.errors import ConfigurationError
from fleet.model.inventory import DeviceKind, Role

SAMPLES = {
    Format.ANSIBLE: """\
lonely ansible_host=10.0.0.9
[web]
node[01:03].lab:2222 ansible_user=ubuntu http_port=80
[GPU_big]
Box_1 ansible_host=10.1.0.1 fleet_devices="[{'kind': 'cuda', 'count': 2}]" fleet_free_slots=1
[dc:children]
web
GPU_big
[all:vars]
ansible_ssh_private_key_file=~/.ssh/id
ansible_group_priority=2
""",
    Format.SUPERBENCH: "[all]\nlocalhost ansible_connection=local\n10.0.0.[1:3] ansible_password=x\n",
    Format.SSH: "Host box\n  HostName 10.0.0.1\n  User u\nHost *.lab a.lab\n  ProxyJump %h\n  Port 22\nMatch all\n",
    Format.RAY: "cluster_name: c\nprovider: {type: local, head_ip: a, worker_ips: [b, c]}\nauth: {ssh_user: u}\n",
    Format.SKYPILOT: "pool:\n  user: u\n  hosts: [10.0.0.1, {ip: b, user: &x root}]\nother: {hosts: [{ip: c}]}\n",
}
YAML = """\
all:
  vars: {<<: {a: 1}, when: 2026-01-02, b: !unsafe "{{ x }}", c: !vault "y"}
  children:
    gpu: {hosts: {"n[1:3]:22": &s {ansible_user: u}, box: *s}, vars: {ansible_group_priority: 3}}
    head: {hosts: {top: {fleet_role: head, fleet_devices: []}}}
"""


def read(text: str, kind: Format = Format.ANSIBLE, path: str = "hosts.ini") -> Foreign:
    return read_foreign(Source(path=path, text=text), kind)


def test_an_import_loads() -> None:
    """Names are made valid, shared fields move up, the number of devices is marked as open."""
    text = render(read(SAMPLES[Format.ANSIBLE]), Wishes(name="prod"))
    inventory = parse_inventory(text, "prod.yaml")
    assert [host.name for host in inventory.hosts] == ["lonely", "node01.lab", "node02.lab", "node03.lab", "box-1"]
    box = inventory.host("box-1")
    assert (box.login.address, box.group, len(box.devices), box.free_slots) == ("10.1.0.1", "gpu-big", 2, 1)
    assert inventory.host("node02.lab").login.port == 2222
    assert "  web: {port: 2222, user: ubuntu, vars: {http_port: 80}}" in text
    assert "was Box_1; group was GPU_big; also in dc" in text
    assert text.count("http_port") == 1
    assert {variable.name: variable.text for variable in inventory.host("node02.lab").variables} == {"http_port": "80"}
    assert "check: the source does not say how many devices a host has" in text
    assert text.count("~/.ssh/id") == 1


def test_wishes() -> None:
    """The operator's head and devices win over guesses."""
    wishes = Wishes(head="Box_1", devices=parse_devices("cpu:3"))
    inventory = parse_inventory(render(read(SAMPLES[Format.ANSIBLE]), wishes), "x.yaml")
    assert inventory.head.name == "box-1"
    assert [device.kind for device in inventory.host("lonely").devices] == [DeviceKind.CPU] * 3


@pytest.mark.parametrize(
    ("text", "head"),
    [
        ("a\nb\n", "a"),
        ("a\n[master]\nb\n", "b"),
        ("a\nhead\n", "head"),
        ("a\nb fleet_role=head\n[head]\na\n", "b"),
    ],
)
def test_who_becomes_the_head(text: str, head: str) -> None:
    """What the source says, else what groups and hosts are called, else who comes first."""
    assert parse_inventory(render(read(text), Wishes()), "x.yaml").head.name == head


def test_a_second_head_is_a_worker() -> None:
    """Exactly one host is the head, and it is no candidate."""
    text = render(read("a fleet_role=head fleet_candidate=true\nb fleet_role=head\n"), Wishes())
    assert [host.role for host in parse_inventory(text, "x.yaml").hosts] == [Role.HEAD, Role.WORKER]


def test_the_same_machine_twice() -> None:
    """A second name for an address is left out and said so."""
    hosts = "a ansible_host=10.0.0.1\nb ansible_host=10.0.0.1\nc ansible_host=10.0.0.1 ansible_port=9\n"
    text = render(read(hosts), Wishes())
    assert [host.name for host in parse_inventory(text, "x.yaml").hosts] == ["a"]
    assert "b: left out: it is the same machine as a" in text
    assert "c: left out: it is the same machine as a" in text


def test_wishes_that_do_not_fit() -> None:
    """An unknown head, a strange name and strange devices are refused, the nearest host named."""
    with pytest.raises(ConfigurationError, match="did you mean `alpha`"):
        render(read("alpha\n"), Wishes(head="alhpa"))
    with pytest.raises(ConfigurationError, match="a name of letters"):
        render(read("alpha\n"), Wishes(name="a: b"))
    for text in ("gpu", "cuda:0", "cuda:999", "emulated"):
        with pytest.raises(ConfigurationError, match="cuda:4 or cpu:2"):
            parse_devices(text)


def test_chosen_hosts() -> None:
    """Hosts named by hand keep what the SSH configuration says of them; others are addresses."""
    known = read(SAMPLES[Format.SSH], Format.SSH)
    text = render(choose(known, ["box", "me@10.0.0.7:2222", "box"]), Wishes())
    box, other = parse_inventory(text, "x.yaml").hosts
    assert (box.login.address, box.login.user) == ("10.0.0.1", "u")
    assert (other.login.address, other.login.port, other.login.user) == ("10.0.0.7", 2222, "me")


@pytest.mark.parametrize("word", ["", "a b", "me@", "@x", "x:y", "a[1:", "-oProxyCommand=x", "a" * 300, "x;y"])
def test_chosen_words_that_name_no_host(word: str) -> None:
    """What is no address is refused in one line."""
    with pytest.raises(ConfigurationError, match="the host"):
        choose(None, [word])


@pytest.mark.parametrize("kind", list(Format))
def test_every_sample_loads(kind: Format) -> None:
    """Each format's sample becomes an inventory that loads."""
    assert loads(read(SAMPLES[kind], kind))


def loads(foreign: Foreign) -> bool:
    """Whether it renders to a text that loads, and again after an export to Ansible and back."""
    inventory = parse_inventory(render(foreign, Wishes()), "x.yaml")
    again = render(read(ansible_text(inventory), path="x.yaml"), Wishes())
    return parse_inventory(again, "x.yaml").hosts == inventory.hosts


def survives(text: str, kind: Format, path: str) -> None:
    try:
        foreign = read(text, kind, path)
    except ConfigurationError as error:
        assert "\n" not in str(error)  # noqa: PT017 (most texts are refused, some are not)
        return
    assert loads(foreign)


SIGNS = "[]{}:=#!;&*|>'\"%@,.-~ \n\t\\é\x85\u2028\ud800\x00"
PIECES = ["\n  ", "[1:3]", "{{ x }}", "!vault ", "<<", "*s", "null", ": ", "- ", "0", "007", "1_000", "9" * 400]
WORDS = st.sampled_from([*SIGNS, *PIECES, "host", "ansible_host=", "hosts:", "children", "Host "])


@settings(deadline=None)
@given(words=st.lists(WORDS, max_size=25), kind=st.sampled_from(list(Format)), yaml=st.booleans())
def test_any_text_is_read_or_refused(words: list[str], kind: Format, yaml: bool) -> None:  # noqa: FBT001 (hypothesis hands it over)
    """Nothing but ConfigurationError comes out of any text, and what is read can be rendered and loaded."""
    path = "x.yaml" if yaml else "x"
    survives("".join(words), kind, path)
    try:
        detect(Source(path=path, text="".join(words)))
    except ConfigurationError:
        assert yaml


@pytest.mark.parametrize("kind", list(Format))
@pytest.mark.parametrize("path", ["x.yaml", "x"])
def test_any_mutation_is_read_or_refused(kind: Format, path: str) -> None:
    """The same of real inventories with pieces cut out, doubled, moved or replaced."""
    chance = random.Random(f"{kind} {path}")  # noqa: S311 (mutations, no secrets)
    base = YAML if (kind, path) == (Format.ANSIBLE, "x.yaml") else SAMPLES[kind]
    survives(base, kind, path)
    for _ in range(150):
        text = base
        for _ in range(chance.randint(1, 4)):
            at, to = sorted(chance.choices(range(len(text) + 1), k=2))
            piece = text[at : min(to, at + 8)]
            new = chance.choice(
                ["", piece * 2, chance.choice("[]{}:=#!&*'\"%@\n \t~0\x00é"), text[:5], "{{ a }}", "!x "]
            )
            text = text[:at] + new + text[at + len(piece) :]
        survives(text, kind, path)


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [*a]",
        "a: &a {hosts: *a}",
        "[" * 1100,
        "{a: " * 60,
        "a: {children: " * 60,
        "a:\n  - &b0 [x, x]\n" + "".join(f"  - &b{n} [*b{n - 1}, *b{n - 1}]\n" for n in range(1, 30)),
        "a: {hosts: {b: {x: !!timestamp z, y: !!bool z, z: !!int z, w: 2026-99-99}}}",
        "a: {hosts: {b: {v: 0b, u: !!float z, t: !!binary z, s: !!set {x}, r: !!null z}}}",
        "a: {hosts: {b: {x: " + "9" * 5000 + "}}}",
        "a: {hosts: {b: {ansible_port: .nan, ansible_user: [x], ansible_host: {}, fleet_devices: {a: [1]}}}}",
        "a: {hosts: {b: {fleet_devices: [{kind: emulated}], fleet_ports: x, fleet_role: boss, ? [x] : y}}}",
        "a: {vars: {<<: 5, <<: [{}, x]}, hosts: b}",
        "h v=" + "(" * 5000,
        "h v=" + "-" * 60000 + "1",
        "h v='" + "[" * 90 + "]" * 90 + "'",
        "h v=b'\\xff' w=1j x=... y={1,2} z={(1,2):3}",
        "h[0:1" + "[" * 200,
        "h:99999999999 ansible_port=-1",
        "h v='\\d'",
    ],
)
def test_hostile_texts(text: str) -> None:
    """Bombs, circles, deep nesting, numbers out of range and odd literals end in a value or in one line."""
    survives(text, Format.ANSIBLE, "x.yaml")
    survives(text, Format.ANSIBLE, "x.ini")
    survives(text, Format.SKYPILOT, "x.yaml")
    survives(text, Format.RAY, "x.yaml")
