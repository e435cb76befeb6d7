"""Every text of every kind of step: every shell here can parse it, and shellcheck finds nothing in it."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from functools import lru_cache
from pathlib import Path

import pytest
from test_steps_cases import step_of

from fleet.codec import load_playbook
from fleet.errors import ProvisionError
from fleet.model.playbook import ScriptStep
from fleet.plan.shell.program import Answer, Piece, program
from fleet.plan.steps import change, prepare, question, undo
from fleet.plan.steps.rendering import Value
from fleet.provision.agents import shipped_playbook

CASES = Path(__file__).parents[1] / "unit" / "cases" / "steps"
NONCE = "0123456789abcdef" * 2
SHELLS = (("dash",), ("bash", "--posix"), ("busybox", "sh"), ("ksh",))
NOT_FOUND = "SC2317,SC2329,SC2034,SC2043,SC2016,SC2089,SC2090"
"""Functions and variables that a text has and does not use, loops over one thing, data that looks like shell."""
SHELLCHECK = pytest.mark.skipif(shutil.which("shellcheck") is None, reason="no shellcheck: apt-get install shellcheck")
PLAYBOOKS = ("agent", "gpu-worker", "bento-head", "bento-worker", "teardown")
VARIABLES: dict[str, Value] = {
    "host.work_dir": "/srv/a b",
    "host.python": "/srv/a b/venv/bin/python",
    "host.ports": "20000-20299",
    "fleet.version": "1.0",
    "fleet.addresses": ("10.0.0.1", "10.0.0.2"),
    "head.address": "10.0.0.1",
    "ray.version": "2.60.0",
    "vars.bento_dir": "/opt/bento",
    "vars.bento_compose": "compose.yml",
    "vars.bento_env": ".env-compose",
    "vars.bento_services": ("redis", "rest_api"),
    "vars.bento_ports": ("6379", "8081"),
    "vars.bento_worker_services": ("gpu_prove_agent",),
}


@lru_cache
def texts() -> dict[str, str]:
    """The shell texts of all cases, each as a program of its own."""
    found: dict[str, str] = {}
    for file in sorted(CASES.glob("*.toml")):
        for case in tomllib.loads(file.read_text())["case"]:
            step, answer = step_of(file.stem, case), Answer(**case["answer"])
            parts = {"ask": question(step)}
            try:
                planned = change(step, answer)
            except ProvisionError:
                planned = None
            if planned is not None and "wheel" not in case:
                back = undo(step, answer)
                parts |= {
                    "change": planned.script,
                    "keep": f"kept=/k\n{back.keep}\n:",
                    "undo": f"kept=/k\n{back.script}\n:",
                }
            for name, text in parts.items():
                found[f"{file.stem}: {case['title']}: {name}"] = program([Piece(label="piece", text=text)], NONCE)
    return found


@pytest.mark.parametrize("shell", [words for words in SHELLS if shutil.which(words[0])], ids=lambda words: words[0])
def test_every_shell_can_parse_every_text(shell: tuple[str, ...]) -> None:
    for name, text in texts().items():
        done = subprocess.run([*shell, "-n"], input=text.encode(), capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b""), name


@SHELLCHECK
def test_shellcheck_finds_nothing_in_any_text(tmp_path: Path) -> None:
    for number, (name, text) in enumerate(texts().items()):
        (tmp_path / f"{number} {name.replace('/', '-')[:150]}").write_text(text)
    words = ["shellcheck", "--shell=sh", f"--exclude={NOT_FOUND}", "--format=gcc"]
    done = subprocess.run([*words, *sorted(tmp_path.iterdir())], capture_output=True, text=True, check=False)
    assert done.stdout == ""


@SHELLCHECK
@pytest.mark.parametrize("name", PLAYBOOKS)
def test_a_shipped_playbook_can_be_filled_and_its_scripts_are_clean(name: str) -> None:
    book = load_playbook(str(shipped_playbook(f"{name}.yaml")))
    for step in prepare(book, VARIABLES):
        for text in (step.unless, step.run, step.undo) if isinstance(step, ScriptStep) else ():
            words = ["shellcheck", "--shell=sh", "--exclude=SC2012", "--format=gcc", "-"]
            done = subprocess.run(words, input=(text or "").encode(), capture_output=True, check=False)
            assert done.stdout == b"", step.name
