"""Docker Engine and Compose on an isolated host, by real SSH: one engine for all, its containers made from scratch."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import closing

import boxes
import compose_plugin
import pytest
from bento_boxes import OPTIONS, start
from boxes import Box
from step_trials import applied, restored, states, tried

from fleet.model.playbook import FileStep
from fleet.model.stacksteps import ComposeStep, DockerStep
from fleet.transport.ssh import SshTransport

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(boxes.obstacle() is not None, reason=boxes.obstacle() or ""),
    pytest.mark.skipif(shutil.which("dockerd", path="/usr/sbin:/usr/bin") is None, reason="apt-get install docker.io"),
    pytest.mark.timeout(600),  # a busy machine starts an engine, and Compose v1, slowly
]

RUNS = "docker version >/dev/null 2>&1 && echo runs; cat /etc/docker/daemon.json"
IMAGE = """\
cd /
set -- usr/bin/busybox $(ldd /usr/bin/busybox | grep -o '/[^ ]*' | sed 's,^/,,')
tar -ch "$@" 2>/dev/null | docker import - trial
"""
SERVICE = "{{image: trial, command: /usr/bin/busybox sleep {seconds}, network_mode: none, stop_grace_period: 1s}}"
CONTAINERS = "docker ps -a --format '{{.Names}} {{.State}}' | tr _ - | sort; docker network ls -q | wc -l"


@pytest.fixture(scope="module")
def transport() -> Iterator[SshTransport]:
    with closing(SshTransport()) as opened:
        yield opened


@pytest.fixture(scope="module")
def engine() -> Iterator[Box]:
    """A box with Docker Engine, which does not run yet; without its network, which would need the machine's."""
    with boxes.running("engine") as box:
        box.put("/etc/default/docker", f'DOCKER_OPTS="{OPTIONS}"\n')
        box.run('sed -i "s,ulimit -[nup] .*,true," /etc/init.d/docker')  # a container's limits may not be raised
        box.put("/etc/docker/daemon.json", '{"log-level": "warn",\n "runtimes": {"other": {"path": "/bin/other"}}}\n')
        yield box


@pytest.fixture(scope="module")
def compose(request: pytest.FixtureRequest, engine: Box) -> Box:
    """The engine, running, with an image `trial`, and Compose of one version or the other."""
    compose_plugin.fit(request, engine, request.param)
    start(engine)
    engine.run(IMAGE)
    return engine


def project(seconds: int) -> str:
    service = SERVICE.format(seconds=seconds)
    idle = service.replace("{", "{profiles: [extra], ", 1)
    return f"version: '3'\nservices:\n  one: {service}\n  two: {service}\n  idle: {idle}\n"


def up(*services: str) -> ComposeStep:
    return ComposeStep(name="project", project="trial", directory="/srv/trial", services=services)


def test_an_engine_is_started_and_stopped_again(transport: SshTransport, engine: Box) -> None:
    _, meanwhile = tried(transport, engine, RUNS, DockerStep(name="docker"))
    assert meanwhile.startswith("runs\n")


def test_nvidias_runtime_is_merged_into_what_the_engine_has(transport: SshTransport, engine: Box) -> None:
    """A running engine learns of it without a restart. The runtime is a stand-in: the toolkit is in no list here."""
    (report,) = applied(transport, engine, DockerStep(name="docker", nvidia=True))
    assert "NVIDIA's container toolkit" in report.summary
    engine.put("/usr/bin/nvidia-container-runtime", '#!/bin/sh\nexec runc "$@"\n', 0o755)
    start(engine)
    pid = engine.run("cat /var/run/docker.pid")
    _, meanwhile = tried(transport, engine, RUNS, DockerStep(name="docker", nvidia=True))
    config = json.loads(meanwhile.partition("\n")[2])
    assert config["log-level"] == "warn"
    assert set(config["runtimes"]) == {"other", "nvidia"}
    assert engine.run("cat /var/run/docker.pid") == pid


def test_an_engine_without_a_configuration_forgets_nvidias_runtime_again(transport: SshTransport, engine: Box) -> None:
    """By itself it would keep the runtime: a configuration that is gone tells it nothing."""
    engine.put("/usr/bin/nvidia-container-runtime", '#!/bin/sh\nexec runc "$@"\n', 0o755)
    engine.run("rm /etc/docker/daemon.json")
    start(engine)
    look = "docker info --format '{{json .Runtimes}}' | grep -c nvidia; ls /etc/docker"
    _, meanwhile = tried(transport, engine, look, DockerStep(name="docker", nvidia=True))
    assert meanwhile.startswith("1\ndaemon.json\n")


@pytest.mark.parametrize("compose", ["v1", "v2"], indirect=True)
def test_a_compose_project_comes_up_and_goes(transport: SshTransport, compose: Box) -> None:
    """Its files come by the step before it: at first nothing can be asked. By name even who is behind a profile."""
    assert states(applied(transport, compose, DockerStep(name="docker", compose=True))) == {"right"}
    files = FileStep(name="files", path="/srv/trial/compose.yml", content=project(1000), sudo=True)
    compose.run("rm -rf /srv/trial; mkdir /srv/trial")
    (found, brought) = applied(transport, compose, files, up("one"))
    assert (found.state, brought.state, brought.summary) == ("changed", "changed", "bring up one of trial")
    assert compose.run(CONTAINERS).startswith("trial-one-1 running\n")
    assert states(applied(transport, compose, files, up("one"))) == {"right"}
    assert states(applied(transport, compose, up("idle"))) == {"changed"}
    assert compose.run(CONTAINERS).startswith("trial-idle-1 running\ntrial-one-1 running\n")
    assert states(applied(transport, compose, up("idle"))) == {"right"}
    assert states(restored(transport, compose)) == {"changed"}
    assert "trial" not in compose.run(f"{CONTAINERS}; ls /srv/trial")


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_services_that_stood_still_stand_still_again_and_new_ones_go(transport: SshTransport, compose: Box) -> None:
    compose.put("/srv/trial/compose.yml", project(1000))
    words = (
        "docker compose" if "v2" in compose.run("docker compose version 2>&1 | sed 's/ 2/ v2/'") else "docker-compose"
    )
    compose.run(f"cd /srv/trial; {words} -p trial up -d two; docker stop -t 1 $(docker ps -q)")
    (before, meanwhile) = tried(transport, compose, CONTAINERS, up())
    assert before.startswith("trial-two-1 exited\n")
    assert meanwhile.startswith("trial-one-1 running\ntrial-two-1 running\n")
    compose.run("cd /srv/trial; docker compose -p trial down")


@pytest.mark.parametrize("compose", ["v1", "v2"], indirect=True)
def test_services_made_from_former_files_are_made_anew(transport: SshTransport, compose: Box) -> None:
    compose.put("/srv/trial/compose.yml", project(1000))
    assert states(applied(transport, compose, up("one"))) == {"changed"}
    compose.put("/srv/trial/compose.yml", project(2000))
    (report,) = applied(transport, compose, up("one"))
    assert report.summary == "bring up one (made from other files) of trial"
    assert "sleep 2000" in compose.run("docker ps --no-trunc --format '{{.Command}}'")
    compose.put("/srv/trial/compose.yml", "services: [")
    (report,) = applied(transport, compose, up())
    assert report.summary == "Compose does not understand the project's files"
    compose.put("/srv/trial/compose.yml", project(2000))
    late = restored(transport, compose)[-1]
    assert (late.state, late.detail.partition(":")[0]) == ("failed", "the files that one was made from are not back")
    compose.put("/srv/trial/compose.yml", project(1000))
    assert states(restored(transport, compose)) == {"changed"}
    compose.run("docker rm -f $(docker ps -aq); rm -rf /srv/trial")


@pytest.mark.parametrize("compose", ["v1", "v2"], indirect=True)
def test_services_follow_files_that_a_step_before_changes_and_are_put_back_after_them(
    transport: SshTransport, compose: Box
) -> None:
    """In one run, though all was right when it was asked; and back to what the operator had made by hand."""
    compose.put("/srv/trial/compose.yml", project(1000).replace("{image", "{env_file: one.env, image"))
    compose.put("/srv/trial/one.env", "OWN=1\n", 0o600)
    compose.run("cd /srv/trial; docker compose -p trial up -d one || docker-compose -p trial up -d one")
    files = FileStep(name="files", path="/srv/trial/one.env", content="OWN=2\n", sudo=True)
    reports = applied(transport, compose, files, up("one"))
    assert [report.state for report in reports] == ["changed", "changed"]
    look = "docker inspect --format '{{.Config.Env}}' $(docker ps -q)"
    assert "OWN=2" in compose.run(look)
    assert states(applied(transport, compose, files, up("one"))) == {"right"}
    assert restored(transport, compose)[0].step == "files"
    assert "OWN=1" in compose.run(look)
    compose.run("docker rm -f $(docker ps -aq); rm -rf /srv/trial")
