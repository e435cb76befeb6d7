"""The files of a lab's Bento: compose file, env file, the image's programs. Written anew whenever the lab comes up."""

from __future__ import annotations

import io
import os
import pwd
import shlex
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

import fleet
from fleet.lab.bento import currentfiles
from fleet.lab.bento.scene import PLACE
from fleet.model.bento import Stack
from fleet.model.inventory import Device, Host
from fleet.remote import prover

IMAGE = "fleet-lab/bento:emulated"
DATABASE_PORT = 5432
DATABASE = "taskdb"
USER = "worker"
PASSWORD = "password"  # noqa: S105 (Bento's own default, on a loopback address of a lab)

_COMPOSE = """\
# Made by fleet for a lab: Bento's legacy stack with programs that stand in for its own. Every card is EMULATED.
x-machine: &machine
  image: {image}
  network_mode: host
  pid: host
  restart: always
  stop_grace_period: 2s
  tmpfs: /tmp
  volumes:
{mounts}

x-agent: &agent
  <<: *machine
  environment: &environment
    BENTO_API_URL: http://${{POSTGRES_HOST}}:8081
    DATABASE_URL: postgresql://${{POSTGRES_USER}}:${{POSTGRES_PASSWORD}}@${{POSTGRES_HOST}}:${{POSTGRES_PORT}}/${{POSTGRES_DB}}
    POLL_TIME: ${{POLL_TIME:-1}}
    STREAM_REFRESH_INTERVAL: ${{STREAM_REFRESH_INTERVAL:-5}}
    REQUEUE_POLL_INTERVAL: ${{REQUEUE_POLL_INTERVAL:-5}}
    PROVE_TIMEOUT: ${{PROVE_TIMEOUT:-30}}
    PROVE_RETRIES: ${{PROVE_RETRIES:-3}}
    JOIN_TIMEOUT: ${{JOIN_TIMEOUT:-10}}
    PATH: /app:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  depends_on: [postgres]

services:
  postgres:
    <<: *machine
    user: "{owner}"
    command: /app/postgres
    environment:
      POSTGRES_USER: ${{POSTGRES_USER}}
      POSTGRES_PASSWORD: ${{POSTGRES_PASSWORD}}
      POSTGRES_DB: ${{POSTGRES_DB}}
      LISTEN: ${{POSTGRES_HOST}}
      PGPORT: ${{POSTGRES_PORT}}

  exec_agent:
    <<: *agent
    command: /app/agent -t exec --segment-po2 ${{SEGMENT_SIZE:-21}} --redis-ttl ${{REDIS_TTL:-57600}}
    deploy:
      replicas: ${{BENTO_EXECUTOR_COUNT:-1}}

  aux_agent:
    <<: *agent
    command: /app/agent -t aux --redis-ttl ${{REDIS_TTL:-57600}}

  gpu_prove_agent:
    <<: *agent
    command:
      - /bin/sh
      - -c
      - |
        for card in $$(nvidia-smi --query-gpu=index --format=csv,noheader); do
          (CUDA_VISIBLE_DEVICES=$$card /app/agent -t prove --redis-ttl ${{REDIS_TTL:-57600}}; kill 0) &
        done
        wait

  rest_api:
    <<: *agent
    command: /app/rest_api
    environment:
      <<: *environment
      API_LISTEN: ${{POSTGRES_HOST}}:8081

  broker:
    <<: *agent
    profiles: [broker]
    command: /app/broker
    stop_grace_period: 3h
"""

_ENV = """\
# Settings of a lab's Bento, as an operator's .env.broker has them.
SEGMENT_SIZE={po2}
POSTGRES_HOST={host}
POSTGRES_PORT={port}
POSTGRES_DB={database}
POSTGRES_USER={user}
POSTGRES_PASSWORD="{password}"
REDIS_TTL=57600
BENTO_EXECUTOR_COUNT={executors}
"""

_POSTGRES = """\
#!/bin/sh
set -e
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
if [ ! -s /data/PG_VERSION ]; then
    printf '%s\\n' "$POSTGRES_PASSWORD" |
        "$bin/initdb" -D /data -U "$POSTGRES_USER" --pwfile=/dev/stdin -A scram-sha-256 -E UTF8 --locale=C --no-sync
    echo "CREATE DATABASE $POSTGRES_DB" | "$bin/postgres" --single -D /data postgres
fi
exec "$bin/postgres" -D /data -h "$LISTEN" -k "" -c fsync=off -c timezone=UTC -c shared_buffers=16MB
"""
_NVIDIA_SMI = """\
#!/bin/sh
# Stands in for NVIDIA's own: the cards of a lab are emulated.
case "$*" in
*--query-compute-apps*) ;;
*--query-gpu=index*) {indices} ;;
*--query-gpu=name*) {names} ;;
-L) {list} ;;
*) echo "a stand-in of fleet's lab: it cannot tell $*"; exit 6 ;;
esac
"""
# Python may know another fleet, which is not mounted, or none: this one may run out of a mere checkout.
_PROGRAM = '#!/bin/sh\nexport PYTHONPATH={here}\nexec {python} -P -m {module} "$@"\n'
_PROGRAMS = {
    "agent": "fleet.lab.bento.agent",
    "bento_cli": "fleet.lab.bento.client",
    "broker": "fleet.lab.bento.broker",
    "rest_api": "fleet.lab.bento.restapi",
}
_HERE = str(Path(fleet.__file__).parents[1])
_MACHINE = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc")
"""What containers have of this machine, read-only: the image holds no program but a few scripts."""


def compose_text(home: Path, data: Path, stack: Stack = Stack.LEGACY) -> str:
    """The compose file. `home`: the host's, with the scene; `data`: the database's folder."""
    here = (sys.prefix, sys.base_prefix, _HERE)
    shared = [Path(each) for each in dict.fromkeys((*_MACHINE, *here)) if Path(each).exists()]
    own = [each for each in shared if not any(other in each.parents for other in shared)]
    kept = Path(prover.__file__).parent / "__pycache__"
    kept.mkdir(exist_ok=True)  # where numba keeps what it has compiled: for half a minute, otherwise, at every start
    mounts = [f"{each}:{each}:ro" for each in own] + [f"{kept}:{kept}", f"{home}:{PLACE}", f"{data}:/data"]
    text = _COMPOSE if stack is Stack.LEGACY else currentfiles.COMPOSE
    return text.format(image=IMAGE, mounts="\n".join(f"    - {_quoted(each)}" for each in mounts), owner=_owner())


def env_text(head: Host, po2: int, executors: int, stack: Stack = Stack.LEGACY) -> str:
    """The env file that compose is given."""
    if stack is Stack.CURRENT:
        address, api = head.login.address, currentfiles.API_PORT
        return currentfiles.ENV.format(po2=po2, host=address, api=api, password=PASSWORD, executors=executors)
    return _ENV.format(
        po2=po2,
        host=head.login.address,
        port=DATABASE_PORT,
        database=DATABASE,
        user=USER,
        password=PASSWORD,
        executors=executors,
    )


def nvidia_smi(devices: Sequence[Device]) -> str:
    """A program that tells of these cards as NVIDIA's does, as far as anybody asks in a lab."""
    names = [f"{device.model} (emulated)" for device in devices]
    listed = [f"GPU {number}: {name} (UUID: GPU-emulated-{number})" for number, name in enumerate(names)]
    return _NVIDIA_SMI.format(
        indices=_lines([str(number) for number in range(len(names))]), names=_lines(names), list=_lines(listed)
    )


def _lines(texts: Sequence[str]) -> str:
    return shlex.join(["printf", r"%s\n", *texts])


def image(devices: Sequence[Device]) -> bytes:
    """A tar of the image: the programs by the names that Bento's have."""
    python, here = shlex.quote(sys.executable), shlex.quote(_HERE)
    texts = {name: _PROGRAM.format(python=python, here=here, module=module) for name, module in _PROGRAMS.items()}
    texts |= {"postgres": _POSTGRES, "valkey": currentfiles.VALKEY, "nvidia-smi": nvidia_smi(devices)}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        folder = tarfile.TarInfo("app")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(folder)
        for name, text in texts.items():
            entry = tarfile.TarInfo(f"app/{name}")
            entry.size, entry.mode = len(text.encode()), 0o755
            tar.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


def owner() -> tuple[int, int]:
    """Who the database runs as, which must not be root."""
    if os.getuid():
        return os.getuid(), os.getgid()
    try:
        found = pwd.getpwnam("postgres")
    except KeyError:
        found = pwd.getpwnam("nobody")
    return found.pw_uid, found.pw_gid


def _owner() -> str:
    return ":".join(map(str, owner()))


def _quoted(text: str) -> str:
    """A YAML text in which Compose replaces nothing."""
    return "'" + text.replace("'", "''").replace("$", "$$") + "'"
