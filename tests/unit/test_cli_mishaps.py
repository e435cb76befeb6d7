"""What is mistyped, what this machine refuses, and what nobody foresaw: each is one panel, none is a traceback."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from typer.exceptions import TyperException  # noqa: TID251 (what the reader of the command line raises)

from fleet.cli import main, whole
from fleet.cli.mishaps import mistake, mistyped


@pytest.mark.parametrize(
    ("words", "where", "why"),
    [
        ("bench", "fleet bench", "INVENTORY is missing"),
        ("bnech", "fleet", "there is no command `bnech`; did you mean 'bench'?"),
        ("bench x.yaml --trials many", "fleet bench --trials", "expected a whole number, found `many`"),
        ("bench x.yaml --trials 0", "fleet bench --trials", "expected 1 or more, found `0`"),
        ("bench x.yaml --goal speed", "fleet bench --goal", "expected one of 'latency', 'capacity'; found `speed`"),
        ("bench x.yaml y.yaml", "fleet bench", "this is more than it takes: `y.yaml`"),
        ("bench x.yaml --frobnicate", "fleet bench --frobnicate", "there is no such option"),
    ],
)
def test_a_mistyped_command_line_says_where_why_and_an_example_that_works(words: str, where: str, why: str) -> None:
    with pytest.raises(TyperException) as caught:
        whole()(words.split(), standalone_mode=False, prog_name="fleet")
    error = mistyped(caught.value)
    assert (error.exit_code, error.host, error.message) == (2, where, why)
    assert error.hint is not None
    assert error.hint.endswith(" --help")
    assert ("such as: fleet bench inventory/lab.yaml" in error.hint) is (where != "fleet")


def test_a_full_disk_is_no_mistake_of_fleets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what is full and what to do; no trace is written."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    error = mistake(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/full/report.html"))
    assert error.message == "this machine refused: No space left on device"
    assert error.host == "/full/report.html"
    assert error.hint is not None
    assert "free some space" in error.hint
    assert not any(tmp_path.iterdir())


def test_what_nobody_foresaw_is_one_panel_and_its_trace_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The trace names every call, but none of the options, which may hold a password."""

    def surprise(*_: object) -> None:
        raise ZeroDivisionError("boom")

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr("sys.argv", ["fleet", "runs", "--store", "postgresql://me:secret@host/db"])
    monkeypatch.setattr("fleet.cli.import_module", surprise)
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith(
        "✗ fleet gave up\n  why           a mistake in fleet, not in what you typed: ZeroDivisionError"
    )
    assert "Traceback" not in said
    (file,) = (tmp_path / "fleet").iterdir()
    assert file.name in said.replace("\n", "").replace(" ", "")
    written = file.read_text(encoding="utf-8")
    assert "in surprise" in written
    assert "secret" not in written
