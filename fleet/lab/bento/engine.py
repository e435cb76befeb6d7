"""The Docker Engine of a lab's Bento: one of its own, below the lab's folder, that touches none of the machine's.

It has mounts of its own (so that none outlives it), no bridge and no rule in the firewall. The programs on the lab's
head find it by a Docker context in their home.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fleet.errors import ConfigurationError, HostError
from fleet.model.bento import Stack

CONTEXT = "fleet-lab"
START_SECONDS = 60.0
_PLACES = ("/usr/sbin", "/usr/local/sbin", "/sbin")
_INSTALL = "on Debian and Ubuntu: apt-get install docker.io docker-compose postgresql"
_INSTALL_CURRENT = "on Debian and Ubuntu: apt-get install docker.io docker-compose redis-server"
_POLL = 0.1
_ANEW = 'rm -rf "$1" "$2" && mkdir -m 700 "$1" "$2" && shift 2 && exec "$@"'
"""Throws away what a former engine left; whoever starts it knows that none runs there."""


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine, and its clients as the user of the home calls them: with that home."""

    home: Path
    compose: tuple[str, ...]

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return socket_of(self.home)

    def run(self, *words: str, stdin: bytes = b"", seconds: float = 120.0) -> str:
        """What a client says on stdout. HostError where it fails."""
        environment = {**os.environ, "HOME": str(self.home), "DOCKER_HOST": f"unix://{self.socket}"}
        done = subprocess.run(
            words, input=stdin, env=environment, cwd=self.home, capture_output=True, check=False, timeout=seconds
        )
        if done.returncode:
            said = " ".join(done.stderr.decode(errors="replace").split())[-400:]
            raise HostError(f"{words[0]} {words[1]} of the lab failed: {said}")
        return done.stdout.decode(errors="replace")


def runtime_of(home: Path) -> Path:
    """Where the engine's sockets are. Their paths must be short, so it lies under the system's folder for such."""
    return Path(f"/run/fleet-lab-{hashlib.sha256(os.fsencode(home)).hexdigest()[:12]}")


def socket_of(home: Path) -> Path:
    """The engine's own socket."""
    return runtime_of(home) / "docker.sock"


def forget(home: Path) -> None:
    """Remove what an engine that has ended leaves behind."""
    for folder in (home / "engine", runtime_of(home)):
        shutil.rmtree(folder, ignore_errors=True)


def argv(home: Path, stack: Stack = Stack.LEGACY) -> tuple[str, ...]:
    """The words that start an engine in the foreground. ConfigurationError where something is not installed."""
    if os.geteuid() != 0:
        raise ConfigurationError("a lab with Bento starts a Docker Engine of its own: run it as root", hint="sudo -E …")
    path = os.pathsep.join((os.environ.get("PATH", ""), *_PLACES))
    own, hint = (("redis-server",), _INSTALL_CURRENT) if stack is Stack.CURRENT else ((), _INSTALL)
    for name in ("dockerd", "docker", "unshare", *own):
        if shutil.which(name, path=path) is None:
            raise ConfigurationError(f"a lab with Bento needs {name}, which is not installed", hint=hint)
    if stack is Stack.LEGACY and not sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        raise ConfigurationError("a lab with Bento needs PostgreSQL's server, which is not installed", hint=_INSTALL)
    folder = home / "engine"
    return (
        "/bin/sh",
        "-c",
        _ANEW,
        "sh",
        str(folder),
        str(runtime_of(home)),
        shutil.which("unshare") or "",
        "--mount",
        "--propagation",
        "private",
        shutil.which("dockerd", path=path) or "",
        "--iptables=false",
        "--ip6tables=false",
        "--bridge=none",
        "--storage-driver=vfs",
        f"--data-root={folder / 'data'}",
        f"--exec-root={runtime_of(home) / 'exec'}",
        f"--pidfile={folder / 'pid'}",
        f"--host=unix://{socket_of(home)}",
        "--shutdown-timeout=1",
    )


def connect(home: Path) -> Engine:
    """The engine, once it answers. HostError where it does not; ConfigurationError without Compose."""
    _write_context(home)
    plain = Engine(home, ())
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            plain.run("docker", "version", seconds=20.0)
            break
        except HostError:
            if time.monotonic() > until:
                hint = "its log is beside those of the lab's servers, in the folder above its home"
                raise HostError("the lab's Docker Engine does not come up", hint=hint) from None
            time.sleep(_POLL)
    return Engine(home, _compose(plain))


def _compose(engine: Engine) -> tuple[str, ...]:
    """The words of Compose, v2 before v1."""
    choices: Sequence[tuple[str, ...]] = (("docker", "compose"), ("docker-compose",))
    for words in choices:
        try:
            engine.run(*words, "version", seconds=30.0)
        except (HostError, OSError):
            continue
        return words
    raise ConfigurationError("a lab with Bento needs Docker Compose, which is not installed", hint=_INSTALL)


def _write_context(home: Path) -> None:
    """Have the docker and compose programs with this home use the engine, and the user's own plug-ins."""
    folder = home / ".docker"
    meta = folder / "contexts" / "meta" / hashlib.sha256(CONTEXT.encode()).hexdigest()
    meta.mkdir(mode=0o700, parents=True, exist_ok=True)
    there = {"docker": {"Host": f"unix://{socket_of(home)}", "SkipTLSVerify": False}}
    (meta / "meta.json").write_text(json.dumps({"Name": CONTEXT, "Metadata": {}, "Endpoints": there}), "ascii")
    (folder / "config.json").write_text(json.dumps({"currentContext": CONTEXT}), "ascii")
    plugins, own = Path.home() / ".docker" / "cli-plugins", folder / "cli-plugins"
    if plugins.is_dir() and not own.exists():
        own.symlink_to(plugins)
