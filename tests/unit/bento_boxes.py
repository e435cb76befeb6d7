"""A box with Docker Engine and Compose, and a project in it that is Bento's in shape: containers made from scratch.

Its agents do nothing, and its broker takes as long to end as its orders do.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager

import boxes
import compose_plugin
import pytest
from boxes import Box

from fleet.model.bento import BentoSettings

OPTIONS = "--iptables=false --ip6tables=false --bridge=none --storage-driver=vfs"
FOLDER = "/opt/bento"
_IMAGE = """\
cd /
set -- usr/bin/busybox $(ldd /usr/bin/busybox | grep -o '/[^ ]*' | sed 's,^/,,')
tar -ch "$@" -C /srv/image app bin 2>/dev/null | docker import - bento
"""
_PROGRAMS = {
    "agent": "trap 'exit 0' TERM INT\nwhile :; do sleep 1 & wait $!; done\n",
    "agents": "trap 'exit 0' TERM\nfor gpu in 0 1; do CUDA_VISIBLE_DEVICES=$gpu /app/agent -t prove & done; wait\n",
    "broker": "trap 'sleep ${ORDERS_LAST:-0}; exit 0' TERM\nwhile :; do sleep 1 & wait $!; done\n",
}

SERVICES = """\
x-agent: &agent
  image: bento
  restart: always
  networks: [work]
  environment: &environment
    DATABASE_URL: postgresql://worker:${POSTGRES_PASSWORD:-password}@postgres:5432/taskdb
    POLL_TIME:
services:
  postgres: {image: bento, entrypoint: /app/agent, networks: [work], restart: always}
  exec_agent0:
    <<: *agent
    mem_limit: 64M
    cpus: 1
    entrypoint: /app/agent -t exec --segment-po2 ${SEGMENT_SIZE:-21} --redis-ttl ${REDIS_TTL:-57600}
  aux_agent: {<<: *agent, entrypoint: /app/agent -t aux --redis-ttl 57600}
  gpu_agent0: &gpu
    <<: *agent
    entrypoint: /app/agent -t prove --redis-ttl 57600
    environment: {<<: *environment, CUDA_VISIBLE_DEVICES: "0"}
  gpu_agent1: {<<: *gpu, environment: {<<: *environment, CUDA_VISIBLE_DEVICES: "1"}}
  broker:
    image: bento
    restart: always
    network_mode: none
    profiles: [broker]
    stop_grace_period: 3h
    environment: {ORDERS_LAST: "${ORDERS_LAST:-0}"}
    volumes: ["broker-data:/db/"]
    entrypoint: "/app/broker --db-url sqlite:///db/broker.db"
  miner: {image: bento, network_mode: none, profiles: [miner], entrypoint: /app/agent --iter-count 500000}
networks: {work: {}}
volumes: {broker-data: {}}
"""
"""The legacy stack in the guide's generation: a service an agent."""
ONE_SERVICE = """\
x-agent: &agent
  image: bento
  restart: always
  networks: [work]
  environment: &environment {REDIS_URL: "redis://:${REDIS_PASSWORD:-}@redis:6379", REDIS_TTL: "${REDIS_TTL:-57600}"}
services:
  redis: {image: bento, entrypoint: /app/agent, networks: [work]}
  exec_agent:
    <<: *agent
    environment: {<<: *environment, SEGMENT_SIZE: "${SEGMENT_SIZE:-21}"}
    entrypoint: ["/bin/sh", "-c", "exec /app/agent -t exec --segment-po2 $$SEGMENT_SIZE --redis-ttl $$REDIS_TTL"]
    scale: 2
  gpu_prove_agent: {<<: *agent, entrypoint: ["/bin/sh", "-c", "exec /app/agents --redis-ttl $$REDIS_TTL"]}
  rest_api: {<<: *agent, entrypoint: /app/agent, hostname: rest_api, volumes: ["/etc/${NAMES:-hosts}:/names:ro"]}
networks: {work: {}}
"""
"""The current stack in its own generation: one service for all GPUs. Compose cannot show it with its variables open."""
SMALL = """services:
  exec_agent: {image: bento, network_mode: none, entrypoint: /app/agent -t exec --segment-po2 21}
  gpu_agent0: {image: bento, network_mode: none, entrypoint: /app/agent -t prove}
  broker: {image: bento, network_mode: none, restart: always, entrypoint: /app/broker, environment: {ORDERS_LAST: 1}}
"""
"""As little as can be isolated and configured."""


@contextmanager
def running(request: pytest.FixtureRequest, generation: str, name: str = "engine") -> Iterator[Box]:
    """A box whose engine runs, with the image, and Compose of this generation (`v1` or `v2`)."""
    if reason := boxes.obstacle():
        pytest.skip(reason)
    if shutil.which("dockerd", path="/usr/sbin:/usr/bin") is None:
        pytest.skip("apt-get install docker.io")
    with boxes.running(name) as box:
        box.put("/etc/default/docker", f'DOCKER_OPTS="{OPTIONS}"\n')
        box.run('sed -i "s,ulimit -[nup] .*,true," /etc/init.d/docker')  # a container's limits may not be raised
        compose_plugin.fit(request, box, generation)
        start(box)
        for program, text in _PROGRAMS.items():
            box.put(f"/srv/image/app/{program}", f"#!/usr/bin/busybox sh\n{text}", 0o755)
        box.run("mkdir -p /srv/image/bin; for one in sh sleep; do ln -sf /usr/bin/busybox /srv/image/bin/$one; done")
        box.run(_IMAGE)
        yield box


def up(box: Box, folder: str, text: str, env: str = "", compose: str = "docker compose") -> BentoSettings:
    """Bring a project up from its files in that folder."""
    box.put(f"{folder}/compose.yml", text)
    box.put(f"{folder}/.env.broker", env)
    profiles = "--profile broker --profile miner" if "profiles" in text else ""
    box.run(f"cd {folder} && {compose} --env-file .env.broker {profiles} up -d")
    return BentoSettings(compose=f"{folder}/compose.yml", env_file=f"{folder}/.env.broker")


def look(box: Box, folder: str) -> str:
    """Which containers there are and whether they run, with their numbers, and what is in the project's files."""
    ps = "docker ps -a --no-trunc --format '{{.ID}} {{.Names}} {{.State}} {{.Image}} {{.Command}}' | sort"
    return box.run(
        f"{ps}; md5sum {folder}/* {folder}/.env.broker; docker volume ls -q; docker network ls -q; ls {folder}"
    )


def start(box: Box) -> None:
    """Have the engine answer."""
    box.run("docker version >/dev/null 2>&1 || service docker start")
    until = time.monotonic() + 60
    while box.run("docker version", check=False).count("Version") < 2:  # the client's and the engine's
        assert time.monotonic() < until
        time.sleep(0.2)
