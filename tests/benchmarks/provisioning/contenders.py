"""Who takes part: the command of each, in the environment that it wants, and how it says that it failed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.provisioning.hosts import STEPS, Site
from tests.benchmarks.provisioning.turns import Turn, children_seconds, host_seconds, listeners

PEERS = Path(sys.prefix) / "peers" / "bin"
"""Ansible and pyinfra have an environment of their own: pyinfra wants an older paramiko than fleet."""
HERE = Path(__file__).parent
FORKS = 32
PATIENCE = 420.0
"""Seconds of a turn, after which a contender has failed."""
PAUSE = 1.5
"""Seconds between turns: sessions end, and Ansible's connections are let go."""


class Failed(Exception):  # noqa: N818 (a contender failed: it is no fault of the benchmark)
    """A contender did not do what it was asked; its time would mean nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """`steps`: it does the ten steps, so that there is a first run; `more` is added to its environment.

    `tells`: the last it prints are the seconds that count, on the wall and of processors, without those in which Python
    loads its modules.
    """

    name: str
    words: Callable[[Site], list[str]]
    steps: bool = True
    tells: bool = False
    more: Mapping[str, str] = field(default_factory=dict)

    def run(self, where: Site) -> Turn:
        """Do it once. It is over when the sessions on the hosts are."""
        listening = listeners(where.folder)
        hosts, children = host_seconds(listening), children_seconds()
        started = time.perf_counter()
        try:
            done = subprocess.run(
                self.words(where),
                env={
                    **os.environ,
                    "XDG_DATA_HOME": str(where.folder),
                    "XDG_STATE_HOME": str(where.folder),
                    **self.more,
                },
                cwd=where.folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=PATIENCE,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as problem:
            raise Failed(f"{self.name} failed: {problem}") from None
        seconds, controller = time.perf_counter() - started, children_seconds() - children
        if done.returncode:
            said = (done.stdout[-1500:] + done.stderr[-1500:]).decode("utf-8", "replace")
            raise Failed(f"{self.name} failed with status {done.returncode}:\n{said}")
        if self.tells:
            seconds, controller = map(float, done.stdout.split()[-2:])
        time.sleep(PAUSE)
        return Turn(wall=seconds, controller=controller, hosts=host_seconds(listening) - hosts)


def missing_peers() -> str | None:
    """Why some contenders are left out; None where all are there."""
    absent = [name for name in ("ansible-playbook", "pyinfra") if not (PEERS / name).exists()]
    return f"{' and '.join(absent)}: not in {PEERS}" if absent else None


def _fleet(where: Site) -> list[str]:
    words = ["provision", str(where.folder / "fleet.yaml"), str(STEPS / "fleet.yaml")]
    return [str(Path(sys.prefix) / "bin" / "fleet"), *words]


def _bare(where: Site) -> list[str]:
    return [sys.executable, str(HERE / "bare.py"), str(where.folder / "hosts.json")]


def _loaded(where: Site) -> list[str]:
    return [sys.executable, str(HERE / "loaded.py"), str(where.folder / "fleet.yaml"), str(STEPS / "fleet.yaml")]


def _openssh(where: Site) -> list[str]:
    key, known = where.folder / "lab" / "id_ed25519", where.folder / "lab" / "known_hosts"
    options = f"-F none -i {key} -o UserKnownHostsFile={known} -o BatchMode=yes -p {where.port}"
    addresses = " ".join(f"127.0.6.{number + 1}" for number in range(where.count))
    return ["/bin/sh", "-c", f"printf '%s\\n' {addresses} | xargs -P {FORKS} -I@ ssh {options} @ true"]


def _ansible(where: Site) -> list[str]:
    words = ["-i", str(where.folder / "hosts.ini"), "-f", str(FORKS), str(STEPS / "ansible.yaml")]
    return [str(PEERS / "ansible-playbook"), *words]


def _pyinfra(where: Site) -> list[str]:
    return [str(PEERS / "pyinfra"), "-y", str(where.folder / "hosts.py"), str(STEPS / "pyinfra.py")]


_PIPELINING = {
    "ANSIBLE_PIPELINING": "1",
    "ANSIBLE_HOST_KEY_CHECKING": "1",
    "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
    # Its connections are kept open between tasks, as it does by default, but not into the next round.
    "ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=1s",
    "ANSIBLE_PYTHON_INTERPRETER": "python3",
}

ALL = (
    Contender(name="bare paramiko (loaded)", words=_bare, steps=False, tells=True),
    Contender(name="fleet (loaded)", words=_loaded, tells=True),
    Contender(name="bare paramiko", words=_bare, steps=False),
    Contender(name="OpenSSH", words=_openssh, steps=False),
    Contender(name="fleet", words=_fleet),
    Contender(name="pyinfra", words=_pyinfra),
    Contender(name="Ansible", words=_ansible, more=_PIPELINING),
)
CONTENDERS = tuple(one for one in ALL if one.name not in {"pyinfra", "Ansible"} or missing_peers() is None)
