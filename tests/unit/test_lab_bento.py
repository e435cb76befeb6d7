"""The lab's Bento as files: a compose file that reads as Bento's, an image, and what is said where it cannot be."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from pathlib import Path

import pytest
import yaml  # noqa: TID251 (what Compose makes of the file is what is looked at)

from fleet.codec import load_inventory
from fleet.errors import ConfigurationError
from fleet.lab.bento import engine, files, scene
from fleet.lab.layout import at_home
from fleet.model.bento import Generation, Part, Stack
from fleet.plan.bento.composefile import compose_file, environment, generation_of, stack_of

INVENTORY = load_inventory(str(Path(__file__).parents[2] / "inventory" / "bento-lab.yaml"))


def test_the_compose_file_is_one_of_the_legacy_stack() -> None:
    """Fleet reads it as it reads Bento's own; the broker has three hours, and nothing is published."""
    found = compose_file(yaml.safe_load(files.compose_text(Path("/state"), Path("/data"))))
    assert stack_of(found) is Stack.LEGACY
    assert generation_of(found) is Generation.ONE_SERVICE
    parts = set(found.parts().values())
    assert {Part.EXECUTE, Part.PROVE, Part.AUXILIARY, Part.API, Part.BROKER, Part.POSTGRES} <= parts
    assert found.services["broker"]["stop_grace_period"] == "3h"
    assert not any("ports" in service for service in found.services.values())


def test_the_other_compose_file_is_one_of_the_current_stack() -> None:
    """No database but Redis; proving agents are told of the API, and the cleaner is the helpers' own."""
    found = compose_file(yaml.safe_load(files.compose_text(Path("/state"), Path("/data"), Stack.CURRENT)))
    assert stack_of(found) is Stack.CURRENT
    assert generation_of(found) is Generation.ONE_SERVICE
    parts = set(found.parts().values())
    assert {Part.EXECUTE, Part.PROVE, Part.AUXILIARY, Part.API, Part.BROKER, Part.REDIS} <= parts
    assert Part.POSTGRES not in parts
    assert "BENTO_API_URL" in environment(found.services["gpu_prove_agent"])
    assert environment(found.services["aux_agent"])["BENTO_DISABLE_COMPLETED_CLEANUP"] == "false"


def test_a_scene_comes_back_as_it_was_written(tmp_path: Path) -> None:
    declared = scene.scene_of(INVENTORY, INVENTORY.head)
    (tmp_path / scene.FILE).write_text(scene.written(declared))
    assert scene.read(tmp_path) == declared


def test_the_image_holds_programs_that_may_be_run_and_says_that_its_cards_are_emulated() -> None:
    with tarfile.open(fileobj=io.BytesIO(files.image(INVENTORY.head.devices))) as packed:
        names = {entry.name: entry.mode for entry in packed}
        told = packed.extractfile("app/nvidia-smi")
        assert told is not None
        assert told.read().count(b"(emulated)") == 2 * len(INVENTORY.head.devices)
    assert set(names) == {
        "app",
        *(f"app/{name}" for name in ("agent", "bento_cli", "broker", "rest_api", "postgres", "valkey", "nvidia-smi")),
    }
    assert set(names.values()) == {0o755}


def test_the_heads_files_lie_in_its_home() -> None:
    assert INVENTORY.bento is not None
    found = at_home(INVENTORY.bento, Path("/lab/box"))
    assert found.compose == "/lab/box/opt/bento/compose.yml"
    assert found.env_file == "/lab/box/opt/bento/.env.broker"
    assert found.elf is None


def test_what_is_missing_is_said_with_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name, **_: None if name == "dockerd" else f"/bin/{name}")
    with pytest.raises(ConfigurationError, match="needs dockerd") as raised:
        engine.argv(tmp_path)
    assert "apt-get install docker.io docker-compose postgresql" in (raised.value.hint or "")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ConfigurationError, match="run it as root"):
        engine.argv(tmp_path)


def test_an_engines_sockets_have_short_paths() -> None:
    """containerd refuses more than 104 characters."""
    deep = Path("/home") / "/".join(["a folder with a long name"] * 9)
    assert len(str(engine.runtime_of(deep) / "exec/containerd/containerd-debug.sock")) < 104
    assert engine.runtime_of(deep) != engine.runtime_of(deep / "other")
