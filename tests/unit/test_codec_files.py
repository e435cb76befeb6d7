"""Inventories and playbooks as files: what can be wrong before a word is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.codec import load_inventory, load_playbook
from fleet.errors import ConfigurationError

SMALL = "fleet: x\nhosts: {a: {key: id, devices: [{kind: cuda}]}}\n"


def refusal(path: Path) -> str:
    """The one line that is said about a file."""
    with pytest.raises(ConfigurationError) as caught:
        load_inventory(str(path))
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_files_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From any folder; a byte order mark does not matter; ~ is the operator's home."""
    file = tmp_path / "x.yaml"
    file.write_text(SMALL, encoding="utf-8-sig")
    assert load_inventory(str(file)).hosts[0].login.key == str(tmp_path / "id")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_inventory("~/x.yaml").name == "x"
    book = tmp_path / "book.yaml"
    book.write_text("- {name: n, kind: directory, path: p}", encoding="utf-8")
    assert load_playbook(str(book)).name == "book"


def test_no_such_file(tmp_path: Path) -> None:
    """What is in the folder is named."""
    assert "no .yaml file in" in refusal(tmp_path / "lab.yaml")
    (tmp_path / "lab.yaml").write_text(SMALL, encoding="utf-8")
    message = refusal(tmp_path / "lba.yaml")
    assert "expected a YAML file, found no file" in message
    assert f"there is {tmp_path}/lab.yaml" in message
    assert f"there is {tmp_path}/lab.yaml" in refusal(tmp_path)
    assert f"there is no folder {tmp_path}/none" in refusal(tmp_path / "none" / "x.yaml")


def test_unreadable(tmp_path: Path) -> None:
    """Not UTF-8, too large, a device, a name too long for a file."""
    file = tmp_path / "x.yaml"
    file.write_bytes(b"fleet: x\nhosts: \xff\n")
    assert f"{file}:2: expected UTF-8 text" in refusal(file)
    file.write_bytes(b"#" * (2**20 + 1))
    assert "larger than 1 MiB" in refusal(file)
    assert "found no file" in refusal(Path("/dev/zero"))
    assert "found no file" in refusal(Path("~nobody-of-that-name/x.yaml"))
    assert "x" * 300 in refusal(tmp_path / ("x" * 300))
