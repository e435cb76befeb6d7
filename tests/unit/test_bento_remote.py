"""A worker for a Bento head: the head's agents and no others, their way to the head, and what is asked of the host."""

from __future__ import annotations

from dataclasses import replace

import pytest
from planted_fleets import guide_box

from fleet.codec.composeyaml import read_compose, write_compose
from fleet.errors import ConfigurationError
from fleet.model.bento import Stack
from fleet.model.stacksteps import ComposeStep, FirewallStep
from fleet.plan.bento.attaching import head_playbook, worker_playbook
from fleet.plan.bento.composefile import ComposeFile, compose_file
from fleet.plan.bento.envfile import only, without_wallet
from fleet.plan.bento.remote import EnvTexts, Remote, ports_of, worker_env, worker_tree
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
        ports=ports_of(head_file(), Stack.LEGACY, {}, "5432"),
    )


def test_the_workers_file_has_its_agents_and_nothing_else() -> None:
    """One service an agent, of the head's image; no database, no executor, none of the head's networks."""
    tree = worker_tree(head_file(), remote(), ["S3_KEY"])
    services = tree["services"]
    assert isinstance(services, dict)
    assert sorted(services) == ["fleet_prove_0_0", "fleet_prove_0_1"]
    for service in services.values():
        assert service["image"] == "agent:1"
        assert not {"networks", "env_file", "depends_on", "ports"} & set(service)
        assert service["environment"]["S3_KEY"] is None
        assert set(service["extra_hosts"]) == {"postgres:10.0.0.5", "redis:10.0.0.5", "minio:10.0.0.5"}
    assert tree["volumes"] == {"cache": {}}
    # Its secrets stay variables: they are in the env file alone.
    assert "${POSTGRES_PASSWORD}" in write_compose(tree)


def test_a_head_that_is_a_name_is_reached_by_its_settings() -> None:
    """Docker gives names to addresses only, so what the file says of the head's services is said of the head."""
    services = worker_tree(head_file(), remote("head.example"), [])["services"]
    assert isinstance(services, dict)
    for service in services.values():
        assert "extra_hosts" not in service
        url = service["environment"]["DATABASE_URL"]
        assert url == "postgresql://worker:${POSTGRES_PASSWORD}@head.example:5432/taskdb"
    assert "POSTGRES_HOST=head.example" in worker_env(
        EnvTexts(project="", agents=""), "", head_file(), {}, remote("head.example")
    )


def test_the_env_file_is_what_the_worker_needs_of_the_heads_with_its_address() -> None:
    """Odd quoting is copied letter by letter; what is on a third host stays there; the wallet stays on the head."""
    kept = "POSTGRES_PASSWORD='p@ss \"w#rd$\nPRIVATE_KEY=of two lines'\n"
    own = f"# settings\nexport PRIVATE_KEY = 0xdead\n{kept}POSTGRES_HOST=postgres\nREDIS_HOST=cache.example"
    known = {"POSTGRES_HOST": "postgres", "REDIS_HOST": "cache.example", "MINIO_HOST": "localhost"}
    tree = write_compose(worker_tree(head_file(), remote(), ["S3_KEY"]))
    text = worker_env(EnvTexts(project=own, agents=""), tree, head_file(), known, remote())
    assert (
        text == f"{kept}POSTGRES_HOST=postgres\nREDIS_HOST=cache.example\nPOSTGRES_HOST=10.0.0.5\nMINIO_HOST=10.0.0.5\n"
    )


def test_an_agent_of_the_current_stack_is_told_of_the_api_and_of_no_password() -> None:
    """It asks nothing of Redis."""
    current = replace(remote(), stack=Stack.CURRENT, ports=("8081",))
    texts = EnvTexts(project="REDIS_PASSWORD=hush\n", agents="REDIS_PASSWORD=hush\n")
    text = worker_env(texts, "redis://:${REDIS_PASSWORD}@redis", head_file(), {}, current)
    assert "BENTO_API_URL=http://10.0.0.5:8081\nREDIS_PASSWORD=unused\n" in text
    assert "hush" not in text


def test_what_the_agents_own_files_hold_goes_to_the_worker_without_the_wallet() -> None:
    """By name in its compose file; a name that both files have is what the project's says."""
    own = without_wallet("S3_KEY='k'\nPROVER_PRIVATE_KEY=0xdead\nRPC_URL=https://key@node\nREDIS_HOST=other\n")
    texts = EnvTexts(project="REDIS_HOST=cache.example\n", agents=own)
    assert texts.given == ("S3_KEY", "REDIS_HOST")
    known = {"POSTGRES_HOST": "p.example", "REDIS_HOST": "cache.example", "MINIO_HOST": "m.example"}
    text = worker_env(texts, "redis://${REDIS_HOST}", head_file(), known, remote())
    assert text == "REDIS_HOST=cache.example\nS3_KEY='k'\n"


def test_a_variable_goes_with_those_that_it_names() -> None:
    """However many steps away."""
    text = 'A=1\nB=${A}x\nC="$B"\nD=4\n'
    assert only(text, {"C"}) == 'A=1\nB=${A}x\nC="$B"\n'


def test_a_host_without_a_device_is_no_worker() -> None:
    """In one line, before anything is touched."""
    bare = replace(remote(), worker=replace(remote().worker, devices=()))
    with pytest.raises(ConfigurationError, match="no device"):
        worker_tree(head_file(), bare, [])


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
    assert "ufw" not in str(book)
    tunnelled = worker_playbook(replace(remote(), endpoint="203.0.113.5:51820"), ["fleet_prove_0_0"])
    assert "ufw allow 51820/udp" in str(tunnelled)


def test_the_head_lets_in_its_own_hosts_and_who_was_in_already() -> None:
    """The sources are as given: agents that were attached by hand are among them."""
    (step,) = head_playbook(remote().ports, ["10.0.0.5", "10.0.0.9", "192.168.3.4"]).steps
    assert isinstance(step, FirewallStep)
    assert step.sources == ("10.0.0.5", "10.0.0.9", "192.168.3.4")
    assert step.ports == ("5432", "6379", "9000")


def test_ports_are_those_of_the_project() -> None:
    """A project without MinIO asks for no port of it; a database that is elsewhere has its own port."""
    bare = compose_file(read_compose(COMPOSE.replace('  minio: {image: "minio/minio", command: "server /data"}\n', "")))
    assert ports_of(bare, Stack.LEGACY, {}, "15432") == ("15432", "6379")


@pytest.mark.parametrize(
    ("agent", "ports"),
    [
        ("environment: {BENTO_API_URL: 'http://rest_api:8081'}", ("8081",)),
        ("env_file: .env", ("8081",)),
        ("environment: {REDIS_URL: 'redis://redis:6379'}", ("6379", "8081")),
    ],
)
def test_only_the_api_is_opened_to_agents_that_are_told_of_it(agent: str, ports: tuple[str, ...]) -> None:
    """Redis, too, where they would have to ask it themselves."""
    text = f"services: {{redis: {{image: r}}, rest_api: {{image: a}}, gpu_prove_agent: {{image: g, {agent}}}}}"
    known = {"BENTO_API_URL": "http://rest_api:8081"}
    assert ports_of(compose_file(read_compose(text)), Stack.CURRENT, known, "5432") == ports
