"""A Bento deployment on a page."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleet.codec import dump, load
from fleet.model.bento import BentoSettings, Deployment, Generation, Knob, Part, RemoteAgents, Service, Stack
from fleet.report.lines import cells
from fleet.report.screens.deployment import deployment_lines

FOUND = Deployment(
    host="box",
    settings=BentoSettings(compose="/opt/boundless/compose.yml", env_file="/opt/boundless/.env.broker"),
    stack=Stack.LEGACY,
    generation=Generation.ONE_SERVICE,
    project="bento",
    compose_version="2.26.1",
    services=(
        Service(name="broker", image="broker", state="running", stop_grace=10800.0, part=Part.BROKER),
        Service(name="miner", image="agent", part=Part.MINER),
        Service(name="exec_agent", image="agent", state="running", part=Part.EXECUTE),
        Service(
            name="gpu_prove_agent",
            image="registry.example/agent:latest",
            digest="sha256:0123456789abcdef",
            state="restarting",
            restarts=17,
            devices=("0", "1"),
            part=Part.PROVE,
        ),
    ),
    knobs=(
        Knob(name="SEGMENT_SIZE", value="20", default="21"),
        Knob(name="POSTGRES_PASSWORD", value="***", default="***"),
        Knob(name="REDIS_HOST", value="", default="redis"),
        Knob(name="SNARK_TIMEOUT", value=None, default=None),
    ),
    gpus=("NVIDIA L4", "NVIDIA L4"),
    agents=2,
    orders=1,
    remote=(RemoteAgents(address="10.0.0.9", clients=3),),
    unread=("orders: nobody can tell",),
)


def text(found: Deployment, width: int = 90) -> str:
    return "\n".join(line.text for line in deployment_lines(found, width=width))


def test_what_an_operator_looks_for_is_there() -> None:
    """The broker's orders and grace first of all: stopping it costs."""
    page = text(FOUND)
    for said in (
        "legacy: tasks in PostgreSQL; one service that starts an agent for each GPU",
        "2× NVIDIA L4",
        "2 prove, 1 execute",
        "running, 1 order under way; told to stop, it gets 3 h 00 min",
        "miner       not there",
        "10.0.0.9 (3 connections)",
        "restarting          17  0, 1",
        "sha256:0123456789ab",
        "(empty)",
        "· orders: nobody can tell",
    ):
        assert said in page, page
    assert "SNARK_TIMEOUT" not in page


@pytest.mark.parametrize("width", [40, 57, 80, 200])
def test_no_line_is_wider_than_the_screen(width: int) -> None:
    assert max(cells(line.text) for line in deployment_lines(FOUND, width=width)) <= width


def test_what_is_not_there_is_said() -> None:
    bare = replace(FOUND, services=(), knobs=(), gpus=(), remote=(), unread=(), orders=None, agents=0)
    page = text(bare)
    assert "none were found" in page
    assert "no agents" in page
    assert "NOT FOUND OUT" not in page


def test_it_reads_back_from_its_json() -> None:
    assert load(Deployment, dump(FOUND)) == FOUND
