"""A bundle of tiny wheels brought to a host by its own shell: cut off and resumed, damaged, pruned, installed from."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from local_transport import LocalTransport

from fleet.errors import CommandError, ConfigurationError, ConnectError
from fleet.model.bundle import Bundle, Target, WheelFile
from fleet.model.inventory import Host, Login, Ports, Role
from fleet.model.playbook import Command, Completed, Playbook, PythonStep, StepState
from fleet.provision import bundle as bundles
from fleet.provision.apply import apply
from fleet.provision.delivery import deliver, kind_of

pytestmark = pytest.mark.lab

HERE = Target(python=f"3.{sys.version_info.minor}", arch="x86_64")
OTHER = Target(python="3.13", arch="aarch64")


def wheel(folder: Path, name: str, filler: bytes = b"") -> Path:
    """A wheel of one module, as small or as large as wanted."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", b"x = 1\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
        archive.writestr(f"{name}.bin", filler)
    return path


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, Bundle]:
    """A bundle of three wheels, one of them for other hosts."""
    source = tmp_path / "source"
    source.mkdir()
    targets: Mapping[str, tuple[Target, ...]] = {"one": (HERE,), "two": (HERE, OTHER), "far": (OTHER,)}
    files = {f"{name}-1.0-py3-none-any.whl": wheel(source, name, bytes(300_000)) for name in targets}
    listed = tuple(bundles._listed(file, targets[name.partition("-")[0]]) for name, file in sorted(files.items()))
    bundle = Bundle(fleet="0", ray="0", targets=(HERE, OTHER), files=listed)
    bundles._pack(bundle, files, tmp_path / "part", tmp_path / "all.tar")
    return tmp_path / "all.tar", bundle


@pytest.fixture
def host(tmp_path: Path) -> Host:
    work = tmp_path / "a host"
    work.mkdir()
    return Host(
        name="far-1",
        role=Role.WORKER,
        login=Login(address="127.0.0.1"),
        node_address="127.0.0.1",
        devices=(),
        ports=Ports(first=20000, last=20299),
        python=f"{work}/venv/bin/python",
        work_dir=str(work),
    )


class Cut(LocalTransport):
    """A link that breaks in the middle of the `after`-th upload."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.sent = 0
        self._left = after

    def run(self, host: Host, command: Command) -> Completed:
        if command.stdin:
            self._left -= 1
            if self._left == 0:
                half = replace(command, stdin=command.stdin[: len(command.stdin) // 2])
                self.sent += len(half.stdin)
                super().run(host, half)
                raise ConnectError("the link broke", host=host.name)
            self.sent += len(command.stdin)
        return super().run(host, command)


def names(host: Host) -> list[str]:
    return sorted(file.name for file in Path(host.work_dir, "bundle").iterdir())


def test_what_is_cut_off_goes_on_and_nothing_is_sent_twice(
    made: tuple[Path, Bundle], host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, bundle = made
    monkeypatch.setattr(bundles, "PIECE", 100_000)
    assert bundles.read(path) == bundle
    size = sum(file.size for file in bundle.of(HERE))
    cut = Cut(after=5)
    with pytest.raises(ConnectError, match="the link broke"):
        deliver(cut, host, path, bundle, HERE, lambda _: None)
    assert "complete" not in names(host)
    assert any(name.endswith(".part") for name in names(host))
    rest = Cut(after=-1)
    left = deliver(rest, host, path, bundle, HERE, lambda _: None)
    assert left == size - cut.sent
    assert rest.sent <= left
    assert names(host) == ["complete", "one-1.0-py3-none-any.whl", "two-1.0-py3-none-any.whl"]
    assert deliver(rest, host, path, bundle, HERE, lambda _: None) == 0


def test_a_damaged_file_is_sent_again_and_what_does_not_belong_there_goes(
    made: tuple[Path, Bundle], host: Host
) -> None:
    path, bundle = made
    folder = Path(host.work_dir, "bundle")
    deliver(LocalTransport(), host, path, bundle, HERE, lambda _: None)
    broken, old = folder / "one-1.0-py3-none-any.whl", folder / "old-1.0-py3-none-any.whl"
    broken.write_bytes(broken.read_bytes()[:-1] + b"x")
    old.write_bytes(b"old")
    assert deliver(LocalTransport(), host, path, bundle, HERE, lambda _: None) == broken.stat().st_size
    assert names(host) == ["complete", "one-1.0-py3-none-any.whl", "two-1.0-py3-none-any.whl"]


def test_what_arrives_with_another_digest_is_never_installed_from(made: tuple[Path, Bundle], host: Host) -> None:
    path, bundle = made
    lies = tuple(replace(file, sha256="0" * 64) for file in bundle.files)
    with pytest.raises(CommandError, match="SHA-256 is wrong"):
        deliver(LocalTransport(), host, path, replace(bundle, files=lies), HERE, lambda _: None)
    assert names(host) == []
    with pytest.raises(CommandError, match=r"has nothing for Python 3\.12 on x86_64"):
        deliver(LocalTransport(), host, path, bundle, Target(python="3.12", arch="x86_64"), lambda _: None)


def test_a_file_that_is_no_bundle_is_refused_in_a_line(tmp_path: Path, made: tuple[Path, Bundle]) -> None:
    path, bundle = made
    cut = tmp_path / "cut.tar"
    cut.write_bytes(path.read_bytes()[:300])
    for wrong in (cut, tmp_path, tmp_path / "missing.tar", Path(__file__)):
        with pytest.raises(ConfigurationError, match="is no bundle"):
            bundles.read(wrong)
    evil = WheelFile(name="../../evil.whl", size=1, sha256="0" * 64, targets=(HERE,))
    bundles._pack(replace(bundle, files=(evil,)), {}, tmp_path / "part", cut)
    with pytest.raises(ConfigurationError, match="makes no sense"):
        bundles.read(cut)


def test_the_python_step_installs_from_it_and_asks_no_index(
    made: tuple[Path, Bundle], host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index is a closed port: without the bundle the step fails, with it the very same step succeeds."""
    path, bundle = made
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    step = PythonStep(
        name="python", python=host.python, requires=("one==1.0", "two==1.0"), venv=f"{host.work_dir}/venv"
    )
    playbook = Playbook(name="p", path="p.yaml", steps=(step,))

    def states() -> list[StepState]:
        reports = apply(LocalTransport(), playbook, [host], lambda _: None, dry_run=False)
        return [report.state for report in reports]

    assert states() == [StepState.FAILED]
    deliver(LocalTransport(), host, path, bundle, HERE, lambda _: None)
    assert states() == [StepState.CHANGED]
    assert states() == [StepState.RIGHT]
    assert kind_of(LocalTransport(), host, "3.11.9").python == "3.11"
