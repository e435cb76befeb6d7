"""Every command in README's table is run as a newcomer would: on a lab that is up, in a home that is new to fleet."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
TABLE = re.findall(r"^\| `fleet ([^`]+)` \|", (TOP / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
FLEET = str(Path(sys.executable).with_name("fleet"))
LAB = "inventory/lab-tune.yaml"

pytestmark = [pytest.mark.lab, pytest.mark.alone, pytest.mark.timeout(300)]

RECIPES = {
    "bench INVENTORY [-c N]": f"bench {LAB} -c 256 --trials 3 --repeats 2 --against latest",
    "plan INVENTORY": f"plan {LAB}",
    "provision INVENTORY [PLAYBOOK…]": f"provision {LAB} agent.yaml --dry-run --diff",
    "restore INVENTORY [--dry-run] [--since 2h]": f"restore {LAB} --dry-run --since 2h",
    "trust INVENTORY [--yes]": f"trust {LAB} --yes",
    "doctor INVENTORY [--gpu] [--json] [-K]": f"doctor {LAB}",
    "watch INVENTORY": f"watch {LAB} --once",
    "topology INVENTORY": f"topology {LAB}",
    "report [RUN] [--all\\|--json\\|--markdown]": "report baseline --all",
    "report [RUN] --html FILE [--pdf FILE]": "report latest --html {home}/report.html",
    "simulate RUN --gpus +1 --remote +2 --po2 20 …": "simulate latest --gpus +1 --po2 20",
    "capacity RUN --target 5MHz": "capacity latest --target 5MHz",
    "runs": "runs --fleet lab-tune --sort gain",
    "tag RUN +TAG": "tag latest +newest",
    "note RUN TEXT": "note latest before-the-driver",
    "compare RUN RUN…": "compare baseline latest",
    "trend FLEET": "trend lab-tune",
    "export RUN --format csv\\|parquet\\|prometheus\\|otlp\\|superbench": "export latest --format prometheus",
    "superbench diagnose": "superbench diagnose {home}/results-summary.jsonl --rules {home}/rules.yaml",
    "init [FILE]": "init {home}/new.yaml --name new --host box --host far --devices cpu:2 --head box",
    "inventory import FILE [--from …]": "inventory import {home}/hosts.ini --from ansible --devices cpu:1 --head a",
    "inventory show\\|graph INVENTORY": f"inventory graph {LAB}",
    "inventory export INVENTORY --ansible": f"inventory export {LAB} --ansible",
    "lab up\\|status\\|down INVENTORY": f"lab status {LAB}",
    "schema inventory\\|playbook\\|report\\|…": "schema inventory",
    "help [TOPIC\\|COMMAND\\|TEXT]": "help how it decides",
}
"""What a row of the table is run as. `baseline` is the first run, by its tag."""

ELSEWHERE = {
    "worker add INVENTORY ssh://USER@HOST": "test_worker.py",
    "bundle OUT [--push]": "test_bundle_delivery.py",
    "bento status INVENTORY": "test_bento_head.py",
    "bento isolate INVENTORY --isolate": "test_bento_head.py",
    "bento configure INVENTORY --agents 2 --po2 20": "test_bento_head.py",
    "bento settings RUN\\|DATABASE_URL\\|INVENTORY": "test_bento_advice.py",
    "bento analyse DATABASE_URL\\|INVENTORY": "test_bento_history.py",
}
"""Rows that need more than a lab, and the test file that tries them."""


RULES = """\
version: v0.12
superbench:
  rules:
    failure:
      function: value
      criteria: lambda x:x<0
      categories: Failed
      metrics: ["fleet.*"]
"""


@dataclass(frozen=True)
class Newcomer:
    """A home where fleet has never been, a lab that is up, and two short runs on it."""

    home: Path
    around: dict[str, str]

    def fleet(self, words: str, *, timeout: float = 200) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [FLEET, *(word.format(home=self.home) for word in words.split())],
            cwd=TOP,
            env=self.around,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    home = tmp_path_factory.mktemp("newcomer")
    around = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ} | {
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_STATE_HOME": str(home / "state"),
    }
    (home / "hosts.ini").write_text("[gpu]\na ansible_host=10.0.0.1\nb ansible_host=10.0.0.2\n")
    (home / ".ssh").mkdir(mode=0o700)
    (home / ".ssh" / "config").write_text("Host box\n  HostName 10.0.0.1\nHost far\n  HostName 10.0.0.2\n")
    here = Newcomer(home, around)
    (home / "rules.yaml").write_text(RULES)
    for words in (
        f"lab up {LAB}",
        f"bench {LAB} -c 256 --trials 3 --repeats 2",
        "tag latest +baseline",
        "export latest --format superbench -o {home}/results-summary.jsonl",
    ):
        done = here.fleet(words)
        assert done.returncode == 0, (words, done.stderr)
    try:
        yield here
    finally:
        here.fleet(f"lab down {LAB}")


@pytest.mark.parametrize("row", TABLE)
def test_each_row_of_readmes_table_does_what_a_newcomer_expects(newcomer: Newcomer, row: str) -> None:
    """It ends well, says something, and never with a traceback. A row without a recipe is a row that nobody tried."""
    if row in ELSEWHERE:
        *_, verb = (word for word in row.split() if word.islower() and word.isalpha())
        (file,) = TOP.glob(f"tests/*/{ELSEWHERE[row]}")
        assert verb in file.read_text(encoding="utf-8")
        return
    done = newcomer.fleet(RECIPES[row])
    assert done.returncode == 0, done.stderr
    written = [Path(word.format(home=newcomer.home)) for word in RECIPES[row].split() if "{home}" in word]
    assert done.stdout.strip() or all(file.stat().st_size for file in written)
    assert "Traceback" not in done.stderr


def test_there_is_no_recipe_for_a_row_that_is_gone() -> None:
    assert {*RECIPES, *ELSEWHERE} == {*TABLE}
