"""Unfinished additions on disk: kept whole, read back, forgotten, and one command at a time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fleet.cli.worker.entries import again, completed, extended
from fleet.codec import parse_inventory
from fleet.errors import ConfigurationError
from fleet.model.expansion import Joining, Stage
from fleet.provision.worker import alone, begun, folder_of, forget, remember

TEXT = "fleet: my fleet\nhosts: {box: {devices: [{kind: cpu}]}}\n"
MINE, OTHER = parse_inventory(TEXT, "mine.yaml"), parse_inventory(TEXT, "other.yaml")
"""Two files whose fleets have one name."""
ONE = Joining(
    host="far-1", entry="{address: 10.0.0.7}", run="r1", stage=Stage.MEASURE, trial=True, journal="j", had=("run",)
)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def test_an_addition_is_kept_changed_and_forgotten() -> None:
    with alone(MINE) as folder:
        remember(folder, ONE)
        assert begun(folder) == {"far-1": ONE}
        later = Joining(host="far-1", entry=None, run="r1", stage=Stage.KEEP)
        remember(folder, later)
        assert begun(folder_of(MINE)) == {"far-1": later}
        forget(folder, "far-1")
        forget(folder, "far-1")
        assert begun(folder) == {}
    assert begun(folder_of(OTHER)) == {}


def test_a_write_that_was_cut_off_is_not_taken_for_an_addition(state: Path) -> None:
    with alone(MINE) as folder:
        remember(folder, ONE)
        (folder / "far-2.part").write_text('{"host":')
        assert set(begun(folder)) == {"far-1"}
        (folder / "far-3.json").write_text('{"host":')
        with pytest.raises(ConfigurationError, match=r"far-3\.json cannot be read"):
            begun(folder)
    assert folder.is_relative_to(state)


def test_a_second_command_is_refused_until_the_first_is_done() -> None:
    with alone(MINE), pytest.raises(ConfigurationError, match="another command"), alone(MINE):
        pass
    with alone(MINE), alone(OTHER):
        pass


def test_a_full_disk_is_one_clear_line(state: Path) -> None:
    with alone(MINE) as folder:
        (folder / "far-1.part").mkdir()
        with pytest.raises(ConfigurationError, match="cannot be written"):
            remember(folder, ONE)
    assert state.exists()


def test_what_finishes_an_addition_keeps_a_trial_one() -> None:
    """Or who was only to be measured would come into service by the very command that was proposed."""
    assert again("my.yaml", ONE) == "fleet worker add my.yaml ssh://10.0.0.7 --trial"
    there = replace(ONE, entry="{address: 'fd00::7', port: 2222}", trial=False)
    assert again("my.yaml", there) == "fleet worker add my.yaml ssh://[fd00::7]:2222"
    assert again("my.yaml", replace(ONE, entry=None, trial=False)) == "fleet worker add my.yaml far-1"


def test_a_name_that_only_ssh_config_knows_gets_the_address_that_other_hosts_can_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the importers have it; who states an address for it, or names one that all know, is left alone."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host deep\n HostName 10.0.0.5\n ProxyJump gate\n")
    file = tmp_path / "mine.yaml"
    file.write_text(TEXT.replace("devices", "role: head, devices"))
    for said, wanted in (
        ("address: deep", "node_address: 10.0.0.5"),
        ("address: deep, node_address: 192.0.2.9", "node_address: 192.0.2.9"),
        ("address: 10.0.0.7", "address: 10.0.0.7"),
    ):
        joining = replace(ONE, entry=f"{{{said}, devices: [{{kind: cpu}}]}}")
        whole = extended(str(file), joining)
        done, inventory, _ = completed(str(file), joining, whole, whole)
        assert done.entry is not None
        assert done.entry.count("address") == said.count("address") + (said == "address: deep")
        assert wanted in done.entry
        assert inventory.host("far-1").node_address == wanted.rpartition(" ")[2]
