"""Bundles: the wheels that agents need, downloaded on the controller, each checked against the lock's hashes.

One archive: a tar whose first member is the list of what it holds, then the wheels as they are.
"""

from __future__ import annotations

import hashlib
import io
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import requires
from pathlib import Path

from packaging.markers import Marker

from fleet.codec import Malformed, dump, load
from fleet.errors import ConfigurationError
from fleet.model.bundle import Bundle, Target, WheelFile
from fleet.plan.shell.quoting import tame
from fleet.provision.agents import fleet_wheel, ray_version

LIST = "bundle.json"
MAX_BYTES = 8 * 2**30
MAX_FILES = 1000
DOWNLOAD_SECONDS = 3600.0
_CHUNK = 2**20
_WHEEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]{1,200}\.whl\Z")
_PYTHON = re.compile(r"3\.(1[1-9]|[2-9][0-9])\Z")
_GLIBC = {"x86_64": (5, 12, 17, 27, 28, 31, 34), "aarch64": (17, 27, 28, 31, 34)}
"""The manylinux platforms of each machine that wheels are taken for (PEP 600): glibc 2.5 to 2.34."""
_LOCKED = re.compile(
    r"(?m)^([A-Za-z0-9._-]+)==(\S+)(?: ; ([^\\\n]+?))? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n?)+)"
)
_PACKAGE = Path(__file__).parents[1]


def target(python: str, arch: str) -> Target:
    """A kind of host, checked. ConfigurationError for one that no bundle can be made for."""
    if not _PYTHON.match(python):
        raise ConfigurationError(f"--python {python[:20]}: expected a minor version from 3.11 on, such as 3.11")
    if arch not in _GLIBC:
        raise ConfigurationError(f"--arch {arch[:20]}: expected one of {', '.join(_GLIBC)}")
    return Target(python=python, arch=arch)


def make(targets: Sequence[Target], out: Path, say: Callable[[str], None]) -> Bundle:
    """Download everything for these kinds of host into one archive. ConfigurationError where pip or a hash fails."""
    with _beside(out) as folder:
        found: dict[str, tuple[Path, list[Target]]] = {}
        for one in targets:
            say(f"{one}: downloading")
            place = folder / f"{one.python}-{one.arch}"
            _download(one, place)
            for file in sorted(place.iterdir()):
                found.setdefault(file.name, (file, []))[1].append(one)
        own = fleet_wheel()
        place = folder / own.filename
        place.write_bytes(own.data)
        found[own.filename] = (place, list(targets))
        files = [_listed(file, tuple(sorted(of))) for file, of in found.values()]
        bundle = Bundle(fleet=own.version, ray=ray_version(), targets=tuple(sorted(targets)), files=tuple(files))
        _pack(bundle, {name: file for name, (file, _) in found.items()}, folder / "bundle", out)
    return bundle


def read(path: Path) -> Bundle:
    """The list of a bundle. ConfigurationError where the file is none."""
    try:
        with tarfile.open(path, "r:") as archive:
            first = archive.next()
            stream = archive.extractfile(first) if first and first.name == LIST and first.size <= _CHUNK else None
            if stream is None:
                raise ConfigurationError(f"{path} is no bundle", hint="make one: fleet bundle INVENTORY OUT")
            bundle = load(Bundle, stream.read())
    except (OSError, tarfile.TarError, Malformed) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigurationError(f"{path} is no bundle: {why}", hint="make one: fleet bundle INVENTORY OUT") from error
    names = [file.name for file in bundle.files]
    if len(names) > MAX_FILES or len(set(names)) < len(names) or not all(map(_WHEEL.match, names)):
        raise ConfigurationError(f"{path} is no bundle: its list makes no sense")
    return bundle


@contextmanager
def opened(path: Path) -> Iterator[Callable[[WheelFile, int], bytes]]:
    """Reads pieces of the files in a bundle, from a place in the file on. ConfigurationError where one is missing."""
    with path.open("rb") as stream, tarfile.open(path, "r:") as archive:
        places = {member.name: (member.offset_data, member.size) for member in archive}

        def piece(file: WheelFile, offset: int) -> bytes:
            start, size = places.get(file.name, (0, -1))
            if size != file.size:
                raise ConfigurationError(f"{path} is damaged: {file.name} is not what its list says")
            stream.seek(start + offset)
            return stream.read(min(PIECE, size - offset))

        yield piece


PIECE = 8 * 2**20
"""Bytes that are sent at once: what a broken link costs at most."""


def _download(one: Target, place: Path) -> None:
    place.mkdir()
    locked = _locked(one)
    wanted = "\n".join(_requirements(one))
    pins = "\n".join(f"{name}=={version}" for name, (version, _) in locked.items())
    (place.parent / "wanted.txt").write_text(wanted + "\n", "utf-8")
    (place.parent / "pins.txt").write_text(pins + "\n", "utf-8")
    platforms = [f"--platform=manylinux_2_{glibc}_{one.arch}" for glibc in _GLIBC[one.arch]]
    if one.arch in {"x86_64", "aarch64"}:
        platforms.append(f"--platform=manylinux2014_{one.arch}")
    argv = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"),
        *("--only-binary=:all:", f"--python-version={one.python}", "--implementation=cp", *platforms),
        *("--dest", str(place), "-r", str(place.parent / "wanted.txt"), "-c", str(place.parent / "pins.txt")),
    ]
    try:
        done = subprocess.run(argv, capture_output=True, check=False, timeout=DOWNLOAD_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigurationError("pip does not end, or cannot be run", hint="try again") from error
    if done.returncode != 0:
        said = tame(done.stderr.decode("utf-8", "replace"), 600)
        raise ConfigurationError(f"pip cannot download what {one} needs", hint=said or None)
    hashes = {digest for _, digests in locked.values() for digest in digests}
    for file in place.iterdir():
        if _digest(file) not in hashes:
            raise ConfigurationError(
                f"{file.name} is not in fleet's lock: its SHA-256 differs",
                hint="the index serves another file than the one that fleet was tested with",
            )


def _requirements(one: Target) -> Iterator[str]:
    """What fleet[agent] requires on such a host, without fleet itself."""
    for line in requires("fleet") or ():
        requirement, _, marker = line.partition(";")
        if not marker.strip() or _holds(marker, one):
            yield requirement.strip()


def _locked(one: Target) -> Mapping[str, tuple[str, frozenset[str]]]:
    """By distribution, the locked version for a Python, and its hashes. ConfigurationError where there is no lock."""
    for file in (_PACKAGE / "requirements.lock", _PACKAGE.parent / ".requirements.lock"):
        if file.is_file():
            return locked(file.read_text("utf-8"), one)
    raise ConfigurationError("fleet's lock is missing", hint="install fleet again")


def locked(text: str, one: Target) -> Mapping[str, tuple[str, frozenset[str]]]:
    """By distribution, the version that a lock has for a kind of host, and its hashes."""
    found = {}
    for name, version, marker, hashes in _LOCKED.findall(text):
        if not marker or _holds(marker, one):
            found[name] = (version, frozenset(re.findall(r"[0-9a-f]{64}", hashes)))
    return found


def _holds(marker: str, one: Target) -> bool:
    """Whether an environment marker (PEP 508) is true on such a host, which runs CPython on Linux, with the agents."""
    about = {
        "extra": "agent",
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": one.arch,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{one.python}.0",
        "python_version": one.python,
        "sys_platform": "linux",
    }
    return Marker(marker).evaluate(about)


def _digest(file: Path) -> str:
    whole = hashlib.sha256()
    with file.open("rb") as stream:
        while piece := stream.read(_CHUNK):
            whole.update(piece)
    return whole.hexdigest()


def _listed(file: Path, targets: tuple[Target, ...]) -> WheelFile:
    if not _WHEEL.match(file.name):
        raise ConfigurationError(f"pip downloaded {tame(file.name, 80)}, which is no wheel")
    return WheelFile(name=file.name, size=file.stat().st_size, sha256=_digest(file), targets=targets)


def _pack(bundle: Bundle, files: Mapping[str, Path], part: Path, out: Path) -> None:
    if len(bundle.files) > MAX_FILES or sum(file.size for file in bundle.files) > MAX_BYTES:
        raise ConfigurationError("the bundle would be too large", hint="make one for fewer kinds of host")
    with tarfile.open(part, "w", format=tarfile.PAX_FORMAT) as archive:
        text = dump(bundle).encode()
        head = tarfile.TarInfo(LIST)
        head.size = len(text)
        archive.addfile(head, io.BytesIO(text))
        for name, file in files.items():
            member = tarfile.TarInfo(name)
            member.size = file.stat().st_size
            with file.open("rb") as stream:
                archive.addfile(member, stream)
    part.replace(out)


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """A folder on the file system of `out`. ConfigurationError where there is no room, or no such place."""
    try:
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".bundle-") as folder:
            yield Path(folder)
    except OSError as error:
        raise ConfigurationError(f"{out} cannot be written: {error.strerror}") from error
