"""The command line: what is loaded for its help, and that bad input is one clear line with an exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FLEET = str(Path(sys.executable).with_name("fleet"))
HEAVY = ("ray", "numpy", "numba", "fabric", "paramiko", "psycopg", "pydantic_core", "yaml")


def fleet(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}
    return subprocess.run(
        [FLEET, *words], env=environment, cwd=home, capture_output=True, text=True, timeout=60, check=False
    )


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys; sys.argv = ['fleet', '--help']\n"
        "from fleet.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        f"print(*(name for name in {HEAVY!r} if name in sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)

    assert "bench" in done.stdout
    assert done.stderr.split() == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "fleet: x\nhosts:\n  a: {devcies: [{kind: cpu}]}\n",
            "where bad.yaml:3: hosts.a.devcies why unknown field; did you",
        ),
        (
            "fleet: x\nhosts:\n  a: {devices: [{kind: cpu}]}\n  a: {devices: [{kind: cpu}]}\n",
            "where bad.yaml:4: hosts.a why given",
        ),
        ("fleet: x\nhosts:\n  a: {devices: [{kind: cpu}]}\n  b: {devices: [{kind: cpu}]}\n", "no head"),
        ("fleet: x\nhosts:\n\ta: 1\n", "indent with spaces"),
        ("", "bad.yaml"),
    ],
)
def test_a_bad_inventory_is_one_clear_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    done = fleet(tmp_path, "bench", "bad.yaml")

    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(("name", "said"), [("bad.yaml", "bad.yaml:1"), ("agent", "one of agent.yaml, ")])
def test_a_wrong_playbook_ends_before_anything_is_begun(tmp_path: Path, name: str, said: str) -> None:
    """No lab is made, nobody is logged in to or asked for a password, and the store stays as it is."""
    (tmp_path / "bad.yaml").write_text("steps: {}\n")
    (tmp_path / "lab.yaml").write_text(
        "fleet: x\nlab: {backend: loopback}\nhosts: {a: {role: head, devices: [{kind: cpu}]}}\n"
    )
    before = sorted(tmp_path.rglob("*"))
    done = fleet(tmp_path, "provision", "lab.yaml", name, "-K")

    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--help",), 0),
        (("--version",), 0),
        (("runs",), 0),
        (("schema", "report"), 0),
        (("bench",), 2),
        (("bench", "nowhere.yaml"), 2),
        (("schema", "nonsense"), 2),
        (("report", "latest"), 6),
        (("runs", "--store", "postgresql://nobody:geheim@127.0.0.1:1/x"), 6),
    ],
)
def test_every_exit_code_means_something(tmp_path: Path, words: tuple[str, ...], code: int) -> None:
    done = fleet(tmp_path, *words)

    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "geheim" not in done.stdout + done.stderr


def test_a_host_where_nothing_listens_is_a_host_error(tmp_path: Path) -> None:
    (tmp_path / "deaf.yaml").write_text(
        "fleet: x\nhosts:\n  a: {address: 127.0.0.91, port: 9, devices: [{kind: cpu}]}\n"
    )
    done = fleet(tmp_path, "bench", "deaf.yaml")

    assert done.returncode == 3
    assert "nothing listens on 127.0.0.91:9" in done.stderr
