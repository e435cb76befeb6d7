"""sudo's passwords from programs of this machine: run once, read by their first line, never shown."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.errors import ConfigurationError
from fleet.model.inventory import Host, Login, Ports, Role
from fleet.model.playbook import Secret
from fleet.provision import passwords
from fleet.provision.passwords import sudo_passwords

BOX = Host(
    name="box",
    role=Role.HEAD,
    login=Login(address="192.0.2.1", sudo=True),
    node_address="192.0.2.1",
    devices=(),
    ports=Ports(first=1, last=2),
    python="python3",
    work_dir=".",
)


def host(name: str, *words: str, sudo: bool = True) -> Host:
    return replace(BOX, name=name, login=replace(BOX.login, sudo=sudo, sudo_password_command=words or None))


def revealed(hosts: list[Host], asked: str | None = None) -> dict[str, str]:
    return {name: one.value for name, one in sudo_passwords(hosts, Secret(asked) if asked else None).items()}


def test_a_program_is_run_once_for_all_who_name_it(tmp_path: Path) -> None:
    """Only its first line counts, and its own words are no shell's."""
    log = tmp_path / "log"
    program = ("/bin/sh", "-c", f"echo x >> '{log}'; printf '%s\\nnote\\n' \"$1\"", "sh", "$HOME; pass")
    found = revealed([host("a", *program), host("b", *program), host("c", "printf", "other\r\n")])
    assert found == {"a": "$HOME; pass", "b": "$HOME; pass", "c": "other"}
    assert log.read_text() == "x\n"


def test_the_operators_answer_is_for_those_without_a_program() -> None:
    hosts = [host("a"), host("b", "echo", "own"), host("c", "false", sudo=False)]
    assert revealed(hosts, "asked") == {"a": "asked", "b": "own"}
    assert revealed(hosts) == {"b": "own"}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("/no/such/program", "topsecret"), "No such file"),
        (("/bin/sh", "-c", "echo topsecret; exit 3"), "status 3"),
        ((sys.executable, "-c", r"import os; os.write(1, b'topsecret\xff\n')"), "no text"),
        (("printf", "topsecret" * 100), "1 to 255 bytes"),
        (("true",), "1 to 255 bytes"),
        (("/bin/sh", "-c", "echo topsecret; exec sleep 600"), "did not end in time"),
    ],
)
def test_a_program_that_gives_none_is_one_line_without_it(
    words: tuple[str, ...], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that it printed, nor its arguments, is in the error or in what the error came from."""
    monkeypatch.setattr(passwords, "PATIENCE", 1.0)
    with pytest.raises(ConfigurationError, match=why) as refused:
        revealed([host("a", *words)])
    assert refused.value.host == "a"
    shown = f"{refused.value} {refused.value.__cause__!r}"
    assert "topsecret" not in shown
    assert len(str(refused.value).splitlines()) == 1
