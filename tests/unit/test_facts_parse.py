"""What a host answers to the survey, read strictly: case files, and answers that must not be believed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.model.facts import Facts
from fleet.model.inventory import Host, Login, Ports, Role
from fleet.plan.checkup.facts import parse_facts, probe_script
from fleet.plan.checkup.interpreter import Interpreter, ask_python, base_python, read_python

NONCE = "0123456789abcdef0123456789abcdef"


def host(python: str = "python3", work_dir: str = ".fleet") -> Host:
    return Host(
        name="box",
        role=Role.HEAD,
        login=Login(address="192.0.2.1"),
        node_address="192.0.2.1",
        devices=(),
        ports=Ports(first=20000, last=20299),
        python=python,
        work_dir=work_dir,
    )


def cases() -> list[Any]:
    files = sorted((Path(__file__).parent / "cases" / "facts").glob("*.toml"))
    return [pytest.param(case, id=case["title"]) for case in (tomllib.loads(file.read_text()) for file in files)]


def stream(answers: dict[str, dict[str, Any]]) -> bytes:
    return "".join(
        f"\n=fleet-{NONCE}:{label}:\n{answer['text']}\n=fleet-{NONCE}:{label}:{answer['status']}\n"
        for label, answer in answers.items()
    ).encode()


MINIMAL = {"cores": {"status": 0, "text": "2\n"}, "memory": {"status": 0, "text": "1024 KiB\n"}}


@pytest.mark.parametrize("case", cases())
def test_a_case_gives_its_facts(case: dict[str, Any]) -> None:
    """What the file does not name is None (no GPU: empty): the host did not tell."""
    expected = dict.fromkeys(("cpu_model", "disk_free", "python", "ray", "fleet")) | case["facts"]
    found = parse_facts("box", b"Welcome!\n" + stream(case["answers"]) + b"logout\n", NONCE)
    assert found == Facts(host="box", **expected | {"gpus": tuple(expected.get("gpus", ()))})


@pytest.mark.parametrize("label", ["cores", "memory"])
@pytest.mark.parametrize("text", ["", "0\n", "-3\n", "many\n", "1e9\n", "9" * 30 + "\n"])
def test_without_cores_and_memory_a_host_is_not_known(label: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"does not say how much there is of {label}"):
        parse_facts("box", stream(MINIMAL | {label: {"status": 0, "text": text}}), NONCE)


def test_a_host_that_says_nothing_readable_is_told_so() -> None:
    with pytest.raises(ValueError, match="answered nothing"):
        parse_facts("box", b"Welcome to box!\nThis account is disabled.\n", NONCE)


@given(st.binary(max_size=500))
def test_an_answer_of_any_bytes_is_facts_or_one_clear_error(said: bytes) -> None:
    """Every question is answered with the same bytes; what cannot be read is None."""
    labels = ("system", "kernel", "cpu", "cores", "memory", "gpus", "disk", "python", "base")
    mark = f"=fleet-{NONCE}".encode()
    frames = b"".join(b"\n%b:%b:\n%b\n%b:%b:0\n" % (mark, one.encode(), said, mark, one.encode()) for one in labels)
    try:
        found = parse_facts("box", frames, NONCE)
    except ValueError as error:
        assert re.search(r"does not say how much", str(error))  # noqa: PT017 (either outcome is right)
    else:
        assert found.cores >= 1


def test_the_probe_asks_for_a_base_only_where_fleet_makes_the_interpreter() -> None:
    assert "framed base" not in probe_script(host("python3"), NONCE)
    assert "framed base" not in probe_script(host("/opt/venv/bin/python"), NONCE)
    assert "framed base" in probe_script(host(".fleet/venv/bin/python"), NONCE)


def test_the_probe_never_imports_ray() -> None:
    """Its metadata is enough, and importing it takes seconds."""
    assert "import ray" not in probe_script(host(), NONCE)


@pytest.mark.parametrize(
    ("python", "base"),
    [
        ("/w/venv/bin/python", "python3"),
        ("/w/venv/bin/python3", "python3"),
        ("/w/venv/bin/python3.12", "python3.12"),
        ("/w/venv/bin/pypy3", None),
        ("/w/venv/bin/python3.12;reboot", None),
        ("/w/venv/python", None),
        ("/w/venv2/bin/python", None),
        ("/w/venv/x/bin/python", None),
        ("python3", None),
    ],
)
def test_only_an_interpreter_of_the_venv_is_made_by_fleet_and_its_name_says_from_which(
    python: str, base: str | None
) -> None:
    assert base_python(python, "/w/venv") == base
    assert base_python(python, "/w/venv/") == base


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Python 2.7",
        "[]",
        "{}",
        "null",
        '{"python": 3, "found": {}}',
        '{"python": null, "found": {}}',
        '{"python": "3.11.2", "found": []}',
        '{"python": "3.11.2", "found": {"ray": 2}}',
        '{"python": "3.11.2", "found": {"ray": "2\\n0"}}',
        "[" * 100_000,
        '{"python": "3.11.2", "found": {}}\nTraceback (most recent call last):',
    ],
)
def test_what_is_not_our_line_is_no_interpreter(text: str) -> None:
    assert read_python(text) is None


def test_the_interpreters_line_is_read_behind_what_site_hooks_print() -> None:
    said = 'hello\n{"python": "3.11.2", "found": {"ray": "2.60.0", "fleet": null}}\n'
    assert read_python(said) == Interpreter(version="3.11.2", found={"ray": "2.60.0"})


def test_an_interpreter_with_spaces_and_quotes_is_one_word() -> None:
    assert ask_python("/a b/it's", ("ray==2",)).startswith("""briefly '/a b/it'"'"'s' -c """)
