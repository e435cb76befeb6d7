"""A worker for a Bento head: the head's agents and no others, their way to the head, and what is asked of the host."""

from __future__ import annotations

from dataclasses import replace

import pytest
from planted_fleets import guide_box

from fleet.codec.composeyaml import read_compose, write_compose
from fleet.errors import ConfigurationError
from fleet.model.bento import Stack
from fleet.model.stacksteps import ComposeStep, FirewallStep
from fleet.plan.bento.composefile import ComposeFile, compose_file
from fleet.plan.bento.remote import Remote, head_playbook, ports_of, worker_env, worker_playbook, worker_tree
from fleet.plan.steps import compile_questions

COMPOSE = """
services:
  exec_agent: {image: "agent:1", command: "-t exec --segment-po2 ${SEGMENT_SIZE:-21}", entrypoint: /app/agent}
  gpu_prove_agent:
    image: "agent:1"
    networks: [private]
    volumes: ["cache:/cache", "/etc/ssl:/etc/ssl:ro"]
    env_file: [.env]
    command: "-t prove --redis-ttl ${REDIS_TTL:-57600}"
    entrypoint: /app/agent
    environment: {DATABASE_URL: "postgresql://worker:${POSTGRES_PASSWORD}@postgres:5432/taskdb"}
  postgres: {image: "postgres:17"}
  redis: {image: "redis:7"}
  minio: {image: "minio/minio", command: "server /data"}
networks: {private: {}}
volumes: {cache: {}}
"""
DIGEST = "sha256:" + "a" * 64


def head_file() -> ComposeFile:
    return compose_file(read_compose(COMPOSE))


def remote(head: str = "10.0.0.5") -> Remote:
    worker = guide_box().hosts[-1]
    return Remote(
        worker=worker,
        head=head,
        agents=2,
        image="agent:1",
        digest=DIGEST,
        stack=Stack.LEGACY,
        project="fleet-bento-worker",
        ports=ports_of(head_file(), Stack.LEGACY, "5432"),
    )


def test_the_workers_file_has_its_agents_and_nothing_else() -> None:
    """One service an agent, of the head's image; no database, no executor, none of the head's networks."""
    tree = worker_tree(head_file(), remote())
    services = tree["services"]
    assert isinstance(services, dict)
    assert sorted(services) == ["fleet_prove_0_0", "fleet_prove_0_1"]
    for service in services.values():
        assert service["image"] == "agent:1"
        assert not {"networks", "env_file", "depends_on", "ports"} & set(service)
        assert set(service["extra_hosts"]) == {"postgres:10.0.0.5", "redis:10.0.0.5", "minio:10.0.0.5"}
    assert tree["volumes"] == {"cache": {}}
    # Its secrets stay variables: they are in the env file alone.
    assert "${POSTGRES_PASSWORD}" in write_compose(tree)


def test_a_head_that_is_a_name_is_reached_by_the_env_file() -> None:
    """Docker gives names to addresses only."""
    services = worker_tree(head_file(), remote("head.example"))["services"]
    assert isinstance(services, dict)
    assert not any("extra_hosts" in service for service in services.values())
    assert "POSTGRES_HOST=head.example" in worker_env("", head_file(), {}, remote("head.example"))


def test_the_env_file_is_the_heads_with_its_address() -> None:
    """Odd quoting is copied letter by letter; what is on a third host stays there; the last word holds."""
    own = "POSTGRES_PASSWORD='p@ss \"w#rd$'\nPOSTGRES_HOST=postgres\nREDIS_HOST=cache.example"
    known = {"POSTGRES_HOST": "postgres", "REDIS_HOST": "cache.example", "MINIO_HOST": "localhost"}
    text = worker_env(own, head_file(), known, remote())
    assert text.startswith(own + "\n")
    assert text.splitlines()[3:] == ["POSTGRES_HOST=10.0.0.5", "MINIO_HOST=10.0.0.5"]
    current = replace(remote(), stack=Stack.CURRENT)
    assert "BENTO_API_URL=http://10.0.0.5:8081" in worker_env("", head_file(), {}, current)


def test_a_host_without_a_device_is_no_worker() -> None:
    """In one line, before anything is touched."""
    bare = replace(remote(), worker=replace(remote().worker, devices=()))
    with pytest.raises(ConfigurationError, match="no device"):
        worker_tree(head_file(), bare)


def test_the_steps_can_be_asked() -> None:
    """Every step compiles; the files are variables, so that the secret is masked; ports are the project's."""
    book = worker_playbook(remote(), ["fleet_prove_0_0", "fleet_prove_0_1"])
    contents = [getattr(step, "content", "") for step in book.steps]
    assert "{{ vars.bento_worker_env }}" in contents
    assert not any("password" in str(step).lower() for step in book.steps)
    (project,) = (step for step in book.steps if isinstance(step, ComposeStep))
    assert project.services == ("fleet_prove_0_0", "fleet_prove_0_1")
    for port in ("5432", "6379", "9000"):
        assert any(f"port {port}" in step.name for step in book.steps)
    assert compile_questions([step for step in book.steps if "content" not in dir(step)], "0a" * 16)


def test_the_head_lets_in_its_own_hosts_and_who_was_in_already() -> None:
    """The sources are as given: agents that were attached by hand are among them."""
    (step,) = head_playbook(remote(), ["10.0.0.5", "10.0.0.9", "192.168.3.4"]).steps
    assert isinstance(step, FirewallStep)
    assert step.sources == ("10.0.0.5", "10.0.0.9", "192.168.3.4")
    assert step.ports == ("5432", "6379", "9000")


def test_ports_are_those_of_the_project() -> None:
    """A project without MinIO asks for no port of it; a database that is elsewhere has its own port."""
    bare = compose_file(read_compose(COMPOSE.replace('  minio: {image: "minio/minio", command: "server /data"}\n', "")))
    assert ports_of(bare, Stack.LEGACY, "15432") == ("15432", "6379")
