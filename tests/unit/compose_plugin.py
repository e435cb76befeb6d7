"""Compose's plug-in for docker (v2): this machine's own, or the one of Debian's next release, got by apt.

Debian's present release has Compose v1 only, a program of its own. Nothing is installed on this machine.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from boxes import Box

PLUGIN = "/usr/libexec/docker/cli-plugins/docker-compose"

_FOLDERS = ("/usr/local/lib/docker", "/usr/local/libexec/docker", "/usr/lib/docker", "/usr/libexec/docker")
_RELEASE = "trixie"
_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
_PATIENCE = 120


def plugin(cache: Path) -> Path | str:
    """The program, kept in `cache` once it was got; a sentence where it cannot be had."""
    own = [Path(folder) / "cli-plugins" / "docker-compose" for folder in _FOLDERS]
    kept = cache / "usr/libexec/docker/cli-plugins/docker-compose"
    if found := next((file for file in (*own, kept) if file.is_file()), None):
        return found
    mirror = _mirror() if shutil.which("apt-get") else None
    if mirror is None or not Path(_KEYS).is_file():
        return "Compose v2 is not here, and no apt of Debian's to get it by"
    (cache / "lists/partial").mkdir(parents=True, exist_ok=True)
    (cache / "source.list").write_text(f"deb [signed-by={_KEYS}] {mirror} {_RELEASE} main\n")
    options = (
        f"Dir::Etc::SourceList={cache}/source.list",
        "Dir::Etc::SourceParts=/dev/null",
        f"Dir::State::Lists={cache}/lists",
        f"Dir::Cache={cache}",
        "APT::Sandbox::User=root",
    )
    apt = ["apt-get", "-qq", *(word for option in options for word in ("-o", option))]
    try:
        for words in (["update"], ["download", "docker-compose"]):
            subprocess.run([*apt, *words], cwd=cache, check=True, capture_output=True, timeout=_PATIENCE)
        (package,) = cache.glob("docker-compose_2*.deb")
        subprocess.run(["dpkg-deb", "-x", str(package), str(cache)], check=True, capture_output=True)
    except (subprocess.SubprocessError, OSError, ValueError) as error:
        return f"Compose v2 cannot be got by apt: {str(error)[-200:]}"
    package.unlink()
    return kept if kept.is_file() else "Debian's docker-compose has no plug-in where it was looked for"


def fit(request: pytest.FixtureRequest, box: Box, generation: str) -> None:
    """A box gets Compose of this generation (`v1` or `v2`), else the test is skipped."""
    place = Path(f"/proc/{box.pid}/root{PLUGIN}")
    if generation == "v1":
        place.unlink(missing_ok=True)
        if shutil.which("docker-compose", path="/usr/bin") is None:
            pytest.skip("apt-get install docker-compose")
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(got(request), place)
    assert re.search(r"version v?2", box.run("docker compose version"))


def got(request: pytest.FixtureRequest) -> Path:
    """The program, kept in pytest's cache; without it the test is skipped."""
    folder = request.config.rootpath / ".pytest_cache" / "compose"
    folder.mkdir(parents=True, exist_ok=True)
    found = plugin(folder)
    if isinstance(found, str):
        pytest.skip(found)
    return found


def _mirror() -> str | None:
    """Where this machine's apt has Debian from."""
    said = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI)"], capture_output=True, check=False)
    return next((uri for uri in said.stdout.decode().split() if re.search(r"/debian/?$", uri)), None)
