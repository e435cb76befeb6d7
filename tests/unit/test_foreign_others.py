"""ssh_config, SuperBench, Ray and SkyPilot as text: what becomes of their hosts; which format a text is."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fleet.codec.foreign import Foreign, Format, Source, read_foreign
from fleet.codec.foreign.read import detect
from fleet.errors import ConfigurationError
from fleet.model.inventory import Role

RAY = """\
cluster_name: lab
provider: {type: local, head_ip: 10.0.0.1, worker_ips: [10.0.0.2, 10.0.0.3]}
auth: {ssh_user: ray, ssh_private_key: ~/.ssh/ray.pem, ssh_proxy_command: nc %h}
setup_commands: [pip install ray]
file_mounts: {}
"""
SKYPILOT = """\
pool:
  user: ubuntu
  identity_file: ~/.ssh/id
  password: hunter2
  hosts:
    - 10.0.0.1
    - {ip: 10.0.0.2, user: root, password: hunter2}
other:
  hosts: [gpu-box]
"""
SSH = """\
User everybody
Host box other
  HostName 10.0.0.1
  Port 2222
  User first
Host *.lab !bad.lab
  HostName=%h.example.org
Host a.lab bad.lab
  IdentityFile "~/.ssh/with space"
Host far
  HostName 10.9.0.1
  ProxyJump bastion
Match user root
  Port 1
Match all
  Port 2200
"""


def read(text: str, kind: Format, path: str = "file") -> Foreign:
    return read_foreign(Source(path=path, text=text), kind)


def lost(foreign: Foreign) -> str:
    return "\n".join(item.text for item in foreign.lost)


def test_ray() -> None:
    """The head and the workers of a local provider, with the login; what has no field is listed."""
    foreign = read(RAY, Format.RAY)
    said = [(host.form.address, host.form.role, host.form.user, host.form.key) for host in foreign.hosts]
    key = "~/.ssh/ray.pem"
    assert said[0] == ("10.0.0.1", Role.HEAD, "ray", key)
    assert said[1:] == [("10.0.0.2", Role.WORKER, "ray", key), ("10.0.0.3", Role.WORKER, "ray", key)]
    assert foreign.name == "lab"
    assert "setup_commands: fleet's inventory has no field" in lost(foreign)
    assert "auth.ssh_proxy_command: put it into ~/.ssh/config" in lost(foreign)
    assert "file_mounts" not in lost(foreign)


def test_skypilot() -> None:
    """Pools become groups; a host's own login wins over its pool's; passwords are named, never shown."""
    foreign = read(SKYPILOT, Format.SKYPILOT)
    said = [(host.form.address, host.form.user, host.groups) for host in foreign.hosts]
    assert said == [("10.0.0.1", "ubuntu", ("pool",)), ("10.0.0.2", "root", ("pool",)), ("gpu-box", None, ("other",))]
    assert "file:4: pool.password: a secret is never copied" in lost(foreign)
    assert "hunter2" not in lost(foreign)


def test_superbench() -> None:
    """`local.ini` is an Ansible inventory."""
    foreign = read("[all]\nlocalhost ansible_connection=local\n", Format.SUPERBENCH, "local.ini")
    assert foreign.format is Format.SUPERBENCH
    assert foreign.hosts[0].form.address == "localhost"


def test_ssh_first_value_wins() -> None:
    """Patterns are no hosts, but their values hold; the first value in the file wins."""
    hosts = {host.name: host.form for host in read(SSH, Format.SSH).hosts}
    assert list(hosts) == ["box", "other", "a.lab", "bad.lab", "far"]
    assert (hosts["box"].address, hosts["box"].port, hosts["box"].user) == ("10.0.0.1", 2222, "everybody")
    assert (hosts["a.lab"].address, hosts["a.lab"].key) == ("a.lab.example.org", "~/.ssh/with space")
    assert (hosts["bad.lab"].address, hosts["bad.lab"].port) == ("bad.lab", 2200)


def test_ssh_jump_hosts_keep_their_name() -> None:
    """A host behind another is reached by its name, so that ~/.ssh/config takes its way; Ray gets its address."""
    foreign = read(SSH, Format.SSH)
    far = next(host for host in foreign.hosts if host.name == "far")
    assert (far.form.address, far.form.node_address) == ("far", "10.9.0.1")
    assert "reached through bastion" in far.remark
    assert "file:13: Match: depends on more" in lost(foreign)


def test_ssh_includes() -> None:
    """An included file stands where its line stands: under the block around it, before what comes later."""

    def include(pattern: str) -> Sequence[Source]:
        return [Source(path=pattern, text="Port 2222\nHost inner\n  User i\n")] if pattern == "extra" else []

    main = Source(path="config", text="Host box\n  Include extra missing\n  User u\n  Port 1\n")
    hosts = {host.name: host.form for host in read_foreign(main, Format.SSH, include=include).hosts}
    assert (hosts["box"].port, hosts["box"].user) == (2222, "u")
    # ssh reads blocks of a file that is included under `Host box` for box only.
    assert (hosts["inner"].port, hosts["inner"].user) == (None, None)


def test_ssh_includes_itself() -> None:
    """A circle of includes is refused."""
    main = Source(path="config", text="Include config\n")
    with pytest.raises(ConfigurationError, match="16 levels deep"):
        read_foreign(main, Format.SSH, include=lambda _: [main])


@pytest.mark.parametrize(
    ("path", "text", "kind"),
    [
        ("config", SSH, Format.SSH),
        ("hosts", "[a]\nhost x=1\n", Format.ANSIBLE),
        ("hosts", "box x=1\n", Format.ANSIBLE),
        ("cluster.yaml", RAY, Format.RAY),
        ("pools.yaml", SKYPILOT, Format.SKYPILOT),
        ("hosts.yml", "all: {hosts: {a: }}", Format.ANSIBLE),
        ("list.json", '{"_meta": {"hosts": []}, "a": {"hosts": ["x"]}}', Format.ANSIBLE),
    ],
)
def test_detection(path: str, text: str, kind: Format) -> None:
    """A text's shape tells whose inventory it is."""
    assert detect(Source(path=path, text=text)) is kind


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (Format.RAY, "provider: {type: aws}", "file:1: provider: `type: aws` makes hosts when it is asked"),
        (Format.RAY, "provider: {type: local, coordinator_address: a}", "a coordinator makes hosts"),
        (Format.RAY, "a: b", "file:1: provider: expected a mapping"),
        (Format.RAY, "provider: {type: local, head_ip: a, worker_ips: b}", "provider.worker_ips: expected a list"),
        (Format.RAY, "provider: {type: local}", "no host in it"),
        (Format.SKYPILOT, "pool: {hosts: a}", "file:1: pool.hosts: expected a list of hosts"),
        (Format.SKYPILOT, "pool: a", "pool: expected a mapping"),
        (Format.SKYPILOT, "pool: {hosts: ['{{ x }}']}", "left out: its address is not known"),
        (Format.SSH, "Host *\n", "no host in it"),
        (Format.SSH, "Host a\n  !bad", "file:2: expected a keyword"),
        (Format.SSH, 'Host "a\n', "file:1: no closing quotation"),
        (Format.SSH, "Host a\n HostName %i.lab\n", "a % token that only ssh itself can fill in"),
    ],
)
def test_refused(kind: Format, text: str, said: str) -> None:
    """What names no host is refused in one line that says where and what was expected."""
    with pytest.raises(ConfigurationError) as caught:
        read(text, kind)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
