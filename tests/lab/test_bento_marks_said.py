"""A project as Compose shows it, asked by the shell text that hosts run; its Compose is a stand-in."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fleet.plan.bento.marks import MARKED

pytestmark = pytest.mark.lab

# As 2.26 does where a file has a variable in a mount's path: it can be shown with all variables filled in, or not.
COMPOSE = """\
compose_file=compose.yml nonce=ab12
compose() {
    case $* in *--no-interpolate) return 1 ;; *-q) grep -q services compose.yml ;; *) echo 'services: {hush: 1}' ;; esac
}
"""
EXTENDS = "services: {agent: {extends: {'file': \"%s\", service: agent}}}"


@pytest.mark.parametrize(
    ("project", "shown"),
    [
        ("services: {agent: {image: x, env_file: own.env}}", "hush"),
        (EXTENDS % "plain.yml", "hush"),
        (EXTENDS % "filled.yml", "would show what is in that"),
        (EXTENDS % "further.yml", "would show what is in that"),
        (EXTENDS % "${BASE}/filled.yml", "would show what is in that"),
        ("include: [filled.yml]\nservices: {}", "would show what is in that"),
        ("services: {agent: {image: x}}\nsecrets: {key: {file: '${HOME}/key'}}", "hush"),
    ],
)
def test_what_is_in_env_files_of_other_files_is_not_asked_for(tmp_path: Path, project: str, shown: str) -> None:
    for name, text in (
        ("compose.yml", project),
        ("plain.yml", "services: {agent: {image: x}}"),
        ("filled.yml", "services: {agent: {env_file: its.env}}"),
        ("further.yml", EXTENDS % "filled.yml"),
    ):
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        ["/bin/sh", "-c", COMPOSE + MARKED], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert [said for said in ("hush", "would show what is in that") if said in done.stdout] == [shown], done
    assert done.stderr == ""
