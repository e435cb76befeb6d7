"""What fleet sends of itself: a wheel that installs, the same for the same sources; and the playbooks that ship."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import tomllib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

import fleet
from fleet.codec import load_playbook
from fleet.errors import ConfigurationError
from fleet.model.inventory import Host, Login, Ports, Role
from fleet.model.playbook import PythonStep
from fleet.plan.checkup.interpreter import venv_of
from fleet.plan.steps import prepare
from fleet.provision.agents import fleet_wheel, ray_version, shipped_playbook, variables
from fleet.provision.variables import Secrets, own_variables

BOX = Host(
    name="box",
    role=Role.HEAD,
    login=Login(address="192.0.2.1"),
    node_address="192.0.2.1",
    devices=(),
    ports=Ports(first=20000, last=20299),
    python="/srv/fleet/venv/bin/python3.11",
    work_dir="/srv/fleet",
)


@pytest.fixture(scope="module")
def archive() -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(fleet_wheel().data))


def test_the_same_sources_give_the_same_wheel() -> None:
    assert fleet_wheel() == fleet_wheel()


def test_the_wheels_version_is_the_releases_with_a_digest_of_the_sources(archive: zipfile.ZipFile) -> None:
    wheel = fleet_wheel()
    assert re.fullmatch(re.escape(fleet.__version__) + r"\+[0-9a-f]{12}", wheel.version)
    assert wheel.filename == f"fleet-{wheel.version}-py3-none-any.whl"
    metadata = archive.read(f"fleet-{wheel.version}.dist-info/METADATA").decode()
    assert re.findall(r"^Version: (.*)$", metadata.partition("\n\n")[0], re.MULTILINE) == [wheel.version]


def test_the_wheel_holds_every_module_and_no_leavings(archive: zipfile.ZipFile) -> None:
    package = Path(fleet.__file__).parent
    modules = {f"fleet/{file.relative_to(package).as_posix()}" for file in package.rglob("*.py")}
    assert modules <= set(archive.namelist())
    assert not [name for name in archive.namelist() if "__pycache__" in name or name.endswith(".pyc")]


def test_the_wheels_record_is_true(archive: zipfile.ZipFile) -> None:
    """Every file is recorded with its hash and size, but for the record itself, which has neither."""
    own = next(name for name in archive.namelist() if name.endswith("/RECORD"))
    rows = {name: (digest, size) for name, digest, size in csv.reader(archive.read(own).decode().splitlines())}
    assert set(rows) == set(archive.namelist())
    assert rows.pop(own) == ("", "")
    for name, (digest, size) in rows.items():
        data = archive.read(name)
        expected = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        assert (digest, size) == (f"sha256={expected}", str(len(data)))


def test_rays_version_is_the_one_that_the_project_pins() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert f"ray=={ray_version()}" in project["project"]["optional-dependencies"]["agent"]


def test_where_fleet_makes_the_interpreter_other_sources_are_another_version() -> None:
    wheel = fleet_wheel()
    assert variables(BOX, wheel)["fleet.version"] == wheel.version
    assert variables(replace(BOX, python="/usr/bin/python3"), wheel)["fleet.version"] == fleet.__version__


def test_the_agent_playbook_fits_a_host_and_makes_its_venv_where_the_survey_expects_it() -> None:
    playbook = load_playbook(str(shipped_playbook("agent.yaml")))
    steps = prepare(playbook, {**own_variables(BOX, [BOX], Secrets()), **variables(BOX, fleet_wheel())})
    python = next(step for step in steps if isinstance(step, PythonStep))
    assert python.venv == venv_of(BOX)
    assert python.requires == (f"ray=={ray_version()}", f"fleet[agent]=={fleet_wheel().version}")
    assert "{{" not in repr(steps)


def test_a_playbook_that_does_not_ship_is_a_clear_error() -> None:
    """It says which ones do, as they are to be named."""
    with pytest.raises(ConfigurationError, match=r"ships no playbook nothing\.yaml.*agent\.yaml.*gpu-worker\.yaml"):
        shipped_playbook("nothing.yaml")
