"""`fleet inventory …` and `fleet init` as an operator types them: files in, files out, clear answers to bad input."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.codec import load, load_inventory
from fleet.model.inventory import Inventory

FLEET = Path(sys.executable).with_name("fleet")
HOSTS = """\
[gpu]
node[1:2] ansible_user=ubuntu ansible_password=hunter2
box ansible_host=10.0.0.9
"""
SSH_CONFIG = "Host box\n  HostName 10.0.0.1\n  User ops\nHost far\n  HostName 10.0.0.2\nInclude {extra}\n"


def fleet(folder: Path, *words: str, extra: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8", "COLUMNS": "100", **(extra or {})}
    done = subprocess.run(
        [FLEET, *words],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_import_to_a_file(tmp_path: Path) -> None:
    """The file loads, variables beside the source are in it, what is lost is said; it is not overwritten unasked."""
    (tmp_path / "hosts.ini").write_text(HOSTS, encoding="utf-8")
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "gpu.yml").write_text("ansible_port: 2222\n", encoding="utf-8")
    done = fleet(
        tmp_path, "inventory", "import", "hosts.ini", "-o", "prod.yaml", "--head", "box", "--devices", "cuda:4"
    )
    assert done.returncode == 0, done.stderr
    inventory = load_inventory(str(tmp_path / "prod.yaml"))
    assert inventory.head.name == "box"
    assert {(host.login.port, len(host.devices)) for host in inventory.hosts} == {(2222, 4)}
    assert "not carried over: hosts.ini: ansible_password" in done.stderr
    assert "hunter2" not in (tmp_path / "prod.yaml").read_text(encoding="utf-8") + done.stderr
    again = fleet(tmp_path, "inventory", "import", "hosts.ini", "-o", "prod.yaml")
    assert (again.returncode, "is there already" in again.stderr) == (2, True)
    assert fleet(tmp_path, "inventory", "import", "hosts.ini", "-o", "prod.yaml", "--force").returncode == 0


def test_export_and_back(tmp_path: Path) -> None:
    """What was exported for Ansible is imported as the same hosts."""
    (tmp_path / "hosts.ini").write_text(HOSTS, encoding="utf-8")
    for words in (
        ("import", "hosts.ini", "-o", "a.yaml"),
        ("export", "a.yaml", "--ansible", "-o", "ansible.yaml"),
        ("import", "ansible.yaml", "--from", "ansible", "-o", "b.yaml"),
    ):
        done = fleet(tmp_path, "inventory", *words)
        assert done.returncode == 0, done.stderr
    assert load_inventory(str(tmp_path / "a.yaml")).hosts == load_inventory(str(tmp_path / "b.yaml")).hosts


def test_show_and_graph(tmp_path: Path) -> None:
    """`--json` is the whole inventory and nothing else; the tree is drawn without Unicode where there is none."""
    (tmp_path / "hosts.ini").write_text(HOSTS, encoding="utf-8")
    fleet(tmp_path, "inventory", "import", "hosts.ini", "-o", "a.yaml")
    shown = fleet(tmp_path, "inventory", "show", "a.yaml", "--json")
    assert load(Inventory, shown.stdout) == replace(load_inventory(str(tmp_path / "a.yaml")), path="a.yaml")
    assert "ubuntu@node1:22" in fleet(tmp_path, "inventory", "show", "a.yaml").stdout
    plain = fleet(tmp_path, "inventory", "graph", "a.yaml", extra={"LC_ALL": "C", "PYTHONIOENCODING": "ascii"})
    assert "+-- group gpu" in plain.stdout
    assert plain.stdout.isascii()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("import", "missing.ini"), "there is no such file"),
        (("import", "."), "a folder"),
        (("import", "hosts.ini", "--from", "chef"), "expected one of ansible, ssh"),
        (("import", "hosts.ini", "--devices", "tpu"), "cuda:4 or cpu:2"),
        (("import", "hosts.ini", "--head", "nobody"), "no host 'nobody'"),
        (("import", "hosts.ini", "--from", "ray"), "hosts.ini"),
        (("import", "hosts.ini", "-o", "no/such/folder.yaml"), "cannot be written"),
        (("export", "fleet.yaml"), "--ansible"),
    ],
)
def test_bad_input(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    """Exit code 2, and what to do."""
    (tmp_path / "hosts.ini").write_text(HOSTS, encoding="utf-8")
    done = fleet(tmp_path, "inventory", *words)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())


def test_init_from_options(tmp_path: Path) -> None:
    """Without a terminal the options say it all; without them it is refused."""
    refused = fleet(tmp_path, "init")
    assert refused.returncode == 2
    assert "--host" in refused.stderr
    done = fleet(
        tmp_path, "init", "prod.yaml", "--host", "ops@10.0.0.1:2222", "--host", "10.0.0.2", "--devices", "cpu:2"
    )
    assert done.returncode == 0, done.stderr
    inventory = load_inventory(str(tmp_path / "prod.yaml"))
    assert (inventory.name, inventory.head.login.user, inventory.head.login.port) == ("prod", "ops", 2222)
    assert fleet(tmp_path, "init", "prod.yaml", "--host", "x").returncode == 2


def test_init_asks(tmp_path: Path) -> None:
    """On a terminal it offers the hosts of ~/.ssh/config, those of included files too, but no jump hosts."""
    (tmp_path / ".ssh").mkdir()
    jump = "Host gate\n  HostName 10.0.0.9\nHost far\n  ProxyJump ops@gate:2222,[fd00::1]:22,none\n"
    (tmp_path / ".ssh" / "more").write_text(f"Host third\n{jump}Host *\n  Port 2222\n", encoding="utf-8")
    (tmp_path / ".ssh" / "config").write_text(SSH_CONFIG.format(extra="mor*"), encoding="utf-8")
    said = _typed(tmp_path, "1 third 10.0.0.7\nprod\nthird\ncuda:2\n", "init", "prod.yaml")
    assert "2  far" in said
    assert "(others are reached through gate)" in said
    assert "gate\r\n" not in said
    inventory = load_inventory(str(tmp_path / "prod.yaml"))
    assert [host.name for host in inventory.hosts] == ["box", "third", "10.0.0.7"]
    assert (inventory.name, inventory.head.name, inventory.host("box").login.user) == ("prod", "third", "ops")
    assert len(inventory.head.devices) == 2


def _typed(folder: Path, answers: str, *words: str) -> str:
    """What the command says on a terminal where these answers are typed."""
    ours, its = pty.openpty()
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8", "TERM": "xterm"}
    with subprocess.Popen([FLEET, *words], cwd=folder, env=env, stdin=its, stdout=its, stderr=its) as command:
        os.close(its)
        os.write(ours, answers.encode())
        said = b""
        with suppress(OSError):  # the terminal is gone once the command has ended
            while chunk := os.read(ours, 4096):
                said += chunk
        assert command.wait(60) == 0, said.decode()
    os.close(ours)
    return said.decode()
