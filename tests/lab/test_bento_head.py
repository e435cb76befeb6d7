"""A Bento head seen, isolated, configured and put back: real Docker Engine and Compose on an isolated host, real SSH.

Its agents are stand-ins that do nothing. What counts here is what is left of all that was done: the operator's very
containers, running, and his files.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial

import bento_boxes
import boxes
import compose_plugin
import killed_controllers
import pytest
from bento_boxes import look, up
from boxes import Box
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from step_trials import restored, states

from fleet.codec import dump, dump_line
from fleet.errors import CommandError, ConfigurationError, ConnectError, ProvisionError
from fleet.model.bento import BentoSettings, Generation, Stack, Tuning
from fleet.model.inventory import Host
from fleet.model.playbook import Command, Completed
from fleet.plan.bento.changes import stopped_units
from fleet.transport.ssh import SshTransport
from fleet.workload.bento.configuration import configured, draft
from fleet.workload.bento.discover import discover, seen
from fleet.workload.bento.guard import Custody, Guard
from fleet.workload.bento.isolation import Consent, isolated
from fleet.workload.bento.wards import processes

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(boxes.obstacle() is not None, reason=boxes.obstacle() or ""),
    pytest.mark.timeout(600),  # a busy machine starts an engine, and Compose v1, slowly
]

FOLDER = "/opt/bento"
PASSWORD = """p@ss $HOME #1 'x' "y" %2F"""  # noqa: S105 (of a stand-in)
QUOTED = PASSWORD.replace('"', '\\"').replace("$", "\\$")
ENV = f"""\
# As people write them.
export SEGMENT_SIZE = 20 # none
POSTGRES_PASSWORD="{QUOTED}"
ORDERS_LAST=2
"""
OWN_ENV = "POLL_TIME=3\nAGENT_TOKEN='hush$ hush'\n"
RUNNING = "docker ps --format '{{.Names}}' | sort"
ORDERS = """\
python3 -c "
import sqlite3
told, chain = ('Proving', 'Done', 'PendingSubmission'), ('Skipped', 'PendingAgg')
for name, orders in ('broker.db', told), ('broker.8453.db', chain):
    database = sqlite3.connect('/var/lib/docker/volumes/bento_broker-data/_data/' + name)
    database.execute('pragma journal_mode=wal')
    database.execute('create table orders (id text primary key, data jsonb)')
    for order in orders:
        database.execute('insert into orders values (?,?)', (order, '{\\"status\\":\\"' + order + '\\"}'))
    database.commit()"
"""


@pytest.fixture(scope="module")
def transport() -> Iterator[SshTransport]:
    with closing(SshTransport()) as opened:
        yield opened


@pytest.fixture(scope="module")
def box(request: pytest.FixtureRequest) -> Iterator[Box]:
    """An engine with Compose v2 and the legacy stack."""
    with bento_boxes.running(request, "v2", "head") as made:
        up(made, FOLDER, bento_boxes.SERVICES, ENV)
        made.run(ORDERS)
        yield replace(made, host=with_device(made.host))


@pytest.fixture
def deployment() -> BentoSettings:
    return BentoSettings(compose=f"{FOLDER}/compose.yml", env_file=f"{FOLDER}/.env.broker")


def with_device(host: Host) -> Host:
    return replace(host, devices=(killed_controllers.device(),))


def with_own_env(text: str) -> str:
    """The project, its agents with an env file of their own, and a secret that they take by its name alone."""
    own = "image: bento\n  env_file: [agent.env]\n"
    return text.replace("image: bento\n", own, 1).replace(
        'REDIS_TTL:-57600}"}', 'REDIS_TTL:-57600}", REDIS_PASSWORD: }'
    )


def guard(transport: SshTransport, box: Box, deadline: float = 30.0) -> Guard:
    return Guard(transport, box.host, Custody(inventory="trial", deadline=deadline))


def within(seconds: float, wanted: str, say: Callable[[], str]) -> str:
    """What is said once it is what is wanted, or at the end of the time."""
    until = time.monotonic() + seconds
    while (said := say()) != wanted and time.monotonic() < until:
        time.sleep(0.5)
    return said


def main_processes(box: Box, project: str) -> set[int]:
    """The first process of each of a Compose project's containers that run, as the host has them."""
    said = box.run(f"docker ps -q --filter label=com.docker.compose.project={project} | xargs docker inspect")
    found = {int(container["State"]["Pid"]) for container in json.loads(said)}
    assert found
    return found


def test_a_deployment_is_discovered(transport: SshTransport, box: Box, deployment: BentoSettings) -> None:
    """Stack, generation, services, agents, orders and settings; no password among them, whatever signs it has."""
    found = discover(transport, box.host, deployment)
    assert (found.stack, found.generation, found.project) == (Stack.LEGACY, Generation.SERVICES, "bento")
    assert (found.agents, found.orders) == (2, 3)
    broker = found.service("broker")
    assert broker is not None
    assert (broker.state, broker.stop_grace) == ("running", 10800.0)
    assert {knob.name: knob.value for knob in found.knobs}["SEGMENT_SIZE"] == "20"
    assert "p@ss" not in dump(found)
    assert seen(transport, box.host, deployment).known["POSTGRES_PASSWORD"].value == PASSWORD


def test_an_env_file_that_compose_cannot_read_is_not_quoted(
    transport: SshTransport, box: Box, deployment: BentoSettings
) -> None:
    """Compose itself would show all that follows an open quote."""
    box.put("/opt/odd.env", "SEGMENT_SIZE=20\nPOSTGRES_PASSWORD='" + "s3cret\n" * 300)
    with pytest.raises(CommandError) as caught:
        seen(transport, box.host, replace(deployment, env_file="/opt/odd.env"))
    assert "failed to read /opt/odd.env: line" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_the_current_stack_in_its_own_generation(transport: SshTransport, box: Box) -> None:
    """One service that starts an agent for each GPU, beside another project of the same engine.

    Its password is in no override, though Compose has to fill variables in to show the project; nor is anything of the
    agents' own env file, which their copies read all the same.
    """
    box.put("/opt/other/agent.env", OWN_ENV)
    other = up(box, "/opt/other", with_own_env(bento_boxes.ONE_SERVICE), "REDIS_PASSWORD='s$cret'\n")
    try:
        found = discover(transport, box.host, other)
        assert (found.stack, found.generation, found.project) == (Stack.CURRENT, Generation.ONE_SERVICE, "other")
        assert found.agents == 2
        assert {knob.name: knob.value for knob in found.knobs}["POLL_TIME"] == "3"
        assert sum(one.name == "exec_agent" for one in found.services) == 2
        before = look(box, "/opt/other")
        layout = killed_controllers.layout(box.host)
        with guard(transport, box) as watched, configured(watched, found, layout, Tuning(executors=1)) as running:
            names = box.run(RUNNING).split()
            assert [service for _, service in running.services] == ["fleet_prove_0_0", "fleet_prove_0_1"]
            assert sorted(name for name in names if name.startswith("other")) == [
                *("other-fleet-fleet_exec_0-1", "other-fleet-fleet_prove_0_0-1", "other-fleet-fleet_prove_0_1-1"),
                *("other-redis-1", "other-rest_api-1"),
            ]
            inside = box.run("docker inspect other-fleet-fleet_exec_0-1 --format '{{json .Config.Entrypoint}}'")
            assert "--segment-po2 19" in inside
            shown = box.run("docker inspect other-fleet-fleet_prove_0_0-1 --format '{{.Config.Env}}'")
            assert "REDIS_URL=redis://:s$cret@redis:6379" in shown
            assert "AGENT_TOKEN=hush$ hush" in shown
            override = box.run("cat /root/.local/state/fleet/bento-*/override.yml")
            assert "redis://:${REDIS_PASSWORD:-}@redis:6379" in override
            good = draft(transport, box.host, other, layout, Tuning())
            for text in (override, good.text, good.diff):
                assert "agent.env" in text
                assert not {"cret", "hush"} & set(re.findall("cret|hush", text))
        assert look(box, "/opt/other") == before
    finally:
        box.run("cd /opt/other && docker compose down -t 0")


SIGNS = st.characters(codec="ascii", exclude_characters="\x00\r\n", min_codepoint=32)


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(st.lists(st.text(SIGNS, max_size=12), min_size=6, max_size=6))
def test_an_env_file_is_read_as_compose_reads_it(
    transport: SshTransport, box: Box, deployment: BentoSettings, values: list[str]
) -> None:
    """Quoted either way or not at all, with every sign in it, and as the container itself gets it."""
    names = ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "MINIO_ROOT_PASS", "MINIO_ROOT_USER", "REDIS_HOST", "REDIS_TTL")
    lines, wanted = [], {}
    for at, (name, value) in enumerate(zip(names, values, strict=True)):
        match at % 3:
            case 0:
                plain = value.replace("'", "").rstrip("\\")
                lines.append(f"{name}='{plain}'")
            case 1:
                plain = value.replace("\\", "")
                quoted = plain.replace('"', '\\"').replace("$", "\\$")
                lines.append(f'{name}="{quoted}"')
            case _:
                plain = "".join(sign for sign in value if sign.isalnum() or sign in "@%+=:,./~^-")
                lines.append(f"{name}={plain}")
        wanted[name] = plain
    box.put("/opt/odd.env", "\n".join(lines) + "\n")
    sight = seen(transport, box.host, replace(deployment, env_file="/opt/odd.env"))
    assert {name: sight.known[name].value for name in names} == wanted


def test_nothing_is_stopped_without_consent(transport: SshTransport, box: Box, deployment: BentoSettings) -> None:
    """Broker's grace period and orders are told first."""
    before = look(box, FOLDER)
    told: list[str] = []
    found = discover(transport, box.host, deployment)

    def tried() -> None:
        with guard(transport, box) as watched, isolated(watched, found, Consent(isolate=False, tell=told.append)):
            raise AssertionError("it was let in")

    with pytest.raises(ConfigurationError, match="would share it with the trial"):
        tried()
    assert any("bento-broker-1: told to stop, gets 3 h 00 min, 3 orders under way" in line for line in told)
    assert look(box, FOLDER) == before


def test_isolated_and_configured_then_as_it_was(transport: SshTransport, box: Box, deployment: BentoSettings) -> None:
    """The same containers run again; nothing of fleet's is left, neither on success nor when something fails inside."""
    before = look(box, FOLDER)
    found = discover(transport, box.host, deployment)
    layout = killed_controllers.layout(box.host)

    def tried() -> None:
        with guard(transport, box) as watched, isolated(watched, found, Consent(isolate=True)):
            assert "broker" not in box.run(RUNNING)
            with configured(watched, found, layout, Tuning(memory=2**26, poll=0.5)) as running:
                ours = processes(transport, box.host, running.project)
                assert main_processes(box, "bento-fleet") <= ours
                assert not main_processes(box, "bento") & ours
                assert box.run(RUNNING).split() == [
                    *("bento-fleet-fleet_aux_0-1", "bento-fleet-fleet_exec_0-1", "bento-fleet-fleet_prove_0_0-1"),
                    *("bento-fleet-fleet_prove_0_1-1", "bento-postgres-1"),
                ]
                shown = "{{.HostConfig.Memory}} {{.Config.Env}}"
                inside = box.run(f"docker inspect bento-fleet-fleet_prove_0_1-1 --format '{shown}'")
                assert inside.startswith("67108864 ")
                assert f"DATABASE_URL=postgresql://worker:{PASSWORD}@postgres:5432/taskdb" in inside
                assert "POLL_TIME=0.5" in inside
                assert watched.intact
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        tried()
    assert look(box, FOLDER) == before
    assert box.run("ls /root/.local/state/fleet | grep -c bento; true") == "0\n"


def test_compose_failing_half_way_leaves_all_as_it_was(
    transport: SshTransport, box: Box, deployment: BentoSettings
) -> None:
    """The engine refuses a limit so small when other agents are up already."""
    before = look(box, FOLDER)
    found = discover(transport, box.host, deployment)

    def tried() -> None:
        with (
            guard(transport, box) as watched,
            configured(watched, found, killed_controllers.layout(box.host), Tuning(memory=1)),
        ):
            raise AssertionError("it came up")

    with pytest.raises(ProvisionError) as caught:
        tried()
    assert "Minimum memory limit allowed" in str(caught.value)
    assert look(box, FOLDER) == before


def test_an_override_for_good_is_checked_and_shows_no_secret(
    transport: SshTransport, box: Box, deployment: BentoSettings
) -> None:
    """It names the operator's variables; Compose makes of it exactly the layout's agents."""
    drafted = draft(transport, box.host, deployment, killed_controllers.layout(box.host), Tuning())
    assert "p@ss" not in drafted.text + drafted.diff
    assert "+fleet_prove_0_1:" in drafted.diff
    box.put(f"{FOLDER}.yml", drafted.text)
    files = f"--env-file {FOLDER}/.env.broker -f {FOLDER}/compose.yml -f {FOLDER}.yml"
    dry = box.run(f"docker compose -p fresh {files} up -d --dry-run 2>&1 | grep -o 'fresh-[a-z0-9_-]*' | sort -u")
    assert set(dry.split()) == {
        *("fresh-fleet_aux_0-1", "fresh-fleet_exec_0-1", "fresh-fleet_prove_0_0-1", "fresh-fleet_prove_0_1-1"),
        "fresh-postgres-1",
    }


class Cut:
    """A link that is lost when it is told so: no answer comes any more, and no new connection."""

    def __init__(self, inner: SshTransport) -> None:
        self.inner, self.lost = inner, False

    def run(self, host: Host, command: Command) -> Completed:
        if self.lost:
            raise ConnectError("no route to host", host=host.name)
        return self.inner.run(host, command)

    def __getattr__(self, name: str) -> object:
        if self.lost:
            raise ConnectError("no route to host")
        return getattr(self.inner, name)


def test_a_lost_link_lets_the_host_put_everything_back(box: Box, deployment: BentoSettings) -> None:
    """The watch does when the deadline has passed; the controller, once it can look, sees that it no longer holds."""
    before = look(box, FOLDER)
    with closing(SshTransport()) as inner:
        link = Cut(inner)
        found = discover(inner, box.host, deployment)

        found_then: list[object] = []  # what is asserted in there would be lost: leaving raises, too

        def tried() -> None:
            custody = Custody(inventory="trial", deadline=3.0)
            with Guard(link, box.host, custody) as watched, isolated(watched, found, Consent(isolate=True)):  # type: ignore[arg-type]
                found_then.append(look(box, FOLDER) != before)
                link.lost = True
                inner.close()
                found_then.append(within(60, before, lambda: look(box, FOLDER)) == before)
                found_then.append(watched.intact)

        with pytest.raises(ProvisionError, match="it answers no more"):
            tried()
    assert found_then == [True, True, False]


def test_foreign_gpu_work_is_stopped_and_runs_again(
    transport: SshTransport, box: Box, deployment: BentoSettings
) -> None:
    """A container of somebody else's, found by what the driver says (a stand-in for it: there is no card here)."""
    working = "--network none --entrypoint /app/agent bento"
    box.run(f"docker run -d --name train {working}; docker run -d --name idle {working}")
    pid = box.run("docker inspect train --format '{{.State.Pid}}'").strip()
    box.put(
        "/usr/local/bin/nvidia-smi", f"#!/bin/sh\ncase $1 in *apps*) echo '{pid}, python3 train.py' ;; esac\n", 0o755
    )
    try:
        before = look(box, FOLDER)
        found = discover(transport, box.host, deployment)
        with guard(transport, box) as watched, isolated(watched, found, Consent(isolate=True)):
            names = box.run(RUNNING).split()
            assert "idle" in names
            assert "train" not in names
        assert look(box, FOLDER) == before
    finally:
        box.run("rm /usr/local/bin/nvidia-smi; docker rm -f train idle")


def test_a_process_that_nobody_could_start_again_is_named_and_left(
    transport: SshTransport, box: Box, deployment: BentoSettings
) -> None:
    """And then nothing else is stopped, either."""
    box.put("/usr/local/bin/nvidia-smi", "#!/bin/sh\ncase $1 in *apps*) echo '1, ./train --all' ;; esac\n", 0o755)
    found = discover(transport, box.host, deployment)
    before = look(box, FOLDER)

    def tried() -> None:
        with guard(transport, box) as watched, isolated(watched, found, Consent(isolate=True)):
            raise AssertionError("it was let in")

    try:
        with pytest.raises(ConfigurationError, match=r"train --all \(process 1\) is on its GPUs"):
            tried()
        assert look(box, FOLDER) == before
    finally:
        box.run("rm /usr/local/bin/nvidia-smi")


def test_a_broker_that_takes_too_long_is_started_again_when_it_has_ended(transport: SshTransport, box: Box) -> None:
    """It is never killed: who has no patience is told so, and the watch on the host sees to the rest."""
    slow = bento_boxes.SMALL.replace("ORDERS_LAST: 1", "ORDERS_LAST: 8")
    deployment = up(box, "/opt/slow", slow)
    try:
        found = discover(transport, box.host, deployment)
        since = box.run("docker inspect slow-broker-1 --format '{{.State.StartedAt}}'")

        def tried() -> None:
            with guard(transport, box) as watched, isolated(watched, found, Consent(isolate=True, patience=0.5)):
                raise AssertionError("it had ended")

        with pytest.raises(ProvisionError, match="not put back yet: stop slow-broker-1") as caught:
            tried()
        assert "a watch on it goes on" in str(caught.value)
        shown = "{{.State.Status}} {{.State.ExitCode}}"
        state = partial(box.run, f"docker inspect slow-broker-1 --format '{shown}'")
        assert state() == "running 0\n"
        assert within(60, "changed\n", lambda: "" if started(box) == since else "changed\n") == "changed\n"
        assert state() == "running 0\n"
        assert within(60, "0\n", partial(box.run, "ls /root/.local/state/fleet | grep -c '^watch-'; true")) == "0\n"
    finally:
        box.run("cd /opt/slow && docker compose down -t 0")


def started(box: Box) -> str:
    return box.run("docker inspect slow-broker-1 --format '{{.State.StartedAt}}'")


def test_a_unit_is_stopped_and_runs_again(transport: SshTransport) -> None:
    """By systemd itself, in a host that it has booted."""
    if reason := boxes.no_systemd():
        pytest.skip(reason)
    with boxes.booted("unit") as booted:
        booted.put("/etc/systemd/system/work.service", "[Service]\nExecStart=/bin/sleep 600\n")
        booted.run("systemctl daemon-reload; systemctl start work")
        active = partial(booted.run, "systemctl is-active work; true")
        with guard(transport, booted) as watched:
            watched.make(stopped_units(["work.service"], "stop work.service"))
            assert active() == "inactive\n"
        assert active() == "active\n"


def test_compose_v1_does_as_well(transport: SshTransport, box: Box) -> None:
    """The same, by the program that Compose was before it was a plug-in."""
    if shutil.which("docker-compose", path="/usr/bin") is None:
        pytest.skip("apt-get install docker-compose")
    box.run(f"mv {compose_plugin.PLUGIN} /root/plugin")
    try:
        box.put("/opt/first/agent.env", OWN_ENV)
        agent = "{image: bento, env_file: agent.env, environment: [POSTGRES_PASSWORD],"
        text = bento_boxes.SMALL.replace("{image: bento,", agent, 2)
        deployment = up(box, "/opt/first", text, ENV, "docker-compose")
        before = look(box, "/opt/first")
        found = discover(transport, box.host, deployment)
        assert found.compose_version.startswith("1.")
        assert {knob.name: knob.value for knob in found.knobs}["SEGMENT_SIZE"] == "20"
        layout = killed_controllers.layout(box.host)
        with guard(transport, box) as watched, isolated(watched, found, Consent(isolate=True)):
            with configured(watched, found, layout, Tuning()):
                assert [name for name in box.run(RUNNING).split() if name.startswith("first")] == [
                    *("first-fleet_fleet_exec_0_1", "first-fleet_fleet_prove_0_0_1", "first-fleet_fleet_prove_0_1_1"),
                ]
                names = "first-fleet_fleet_prove_0_0_1 first_gpu_agent0_1"
                shown = box.run(f"docker inspect {names} --format '{{{{.Config.Env}}}}'")
                assert shown.count("AGENT_TOKEN=hush$ hush ") == 2
                assert len(set(re.findall("POSTGRES_PASSWORD=p@ss .* %2F", shown))) == 1
                override = box.run("cat /root/.local/state/fleet/bento-*/override.yml")
                assert not {"hush", "p@ss"} & set(re.findall("hush|p@ss", override))
            assert "first-fleet" not in box.run(RUNNING)
        assert look(box, "/opt/first") == before
    finally:
        box.run(
            "cd /opt/first && docker-compose --env-file .env.broker down -t 0; mv /root/plugin " + compose_plugin.PLUGIN
        )


KILLS = (  # before them nothing has been changed, after them nothing is left to put back
    ("after", "docker stop -t", 1),  # the broker is finishing its orders
    ("during", "up -d --no-deps", 1),
    ("after", "up -d --no-deps", 1),  # all is as the trial wants it
    ("during", "piece_undo_0", 1),
)


def test_a_killed_controller_at_every_step_leaves_all_as_it_was(box: Box) -> None:
    """Whatever step it is killed at: the watch has the broker running again, in the very containers."""
    folders = [f"/opt/killed{at}" for at in range(len(KILLS))]
    with ExitStack() as stack:
        deployments = []
        for folder in folders:
            deployments.append(up(box, folder, bento_boxes.SMALL))
            stack.callback(box.run, f"cd {folder} && docker compose --env-file .env.broker down -t 0", check=False)
        before = [look(box, folder) for folder in folders]
        # A journal and a watch each: a host that is no lab's has one run at a time.
        hosts = [replace(box.host, work_dir=folder.lstrip("/"), lab=True) for folder in folders]
        words = [sys.executable, killed_controllers.__file__]
        controllers = [
            subprocess.Popen(
                [*words, dump_line(host), dump_line(settings_), moment, text, str(count)], stdout=subprocess.PIPE
            )
            for host, settings_, (moment, text, count) in zip(hosts, deployments, KILLS, strict=True)
        ]
        for controller in controllers:
            said, _ = controller.communicate(timeout=180)
            assert controller.returncode == -9, said
        for folder, was in zip(folders, before, strict=True):
            within(90, was, partial(look, box, folder))
        assert [look(box, folder) for folder in folders] == before


def test_fleet_restore_puts_back_what_a_killed_controller_left(
    transport: SshTransport, box: Box, deployment: BentoSettings
) -> None:
    """Without waiting for the watch."""
    before = look(box, FOLDER)
    found = discover(transport, box.host, deployment)
    left = guard(transport, box, deadline=600.0)
    left.__enter__()
    contexts = [  # kept: a context that is thrown away ends
        isolated(left, found, Consent(isolate=True)),
        configured(left, found, killed_controllers.layout(box.host), Tuning()),
    ]
    for context in contexts:
        context.__enter__()
    assert look(box, FOLDER) != before
    assert states(restored(transport, box)) == {"changed"}
    assert look(box, FOLDER) == before
    left.__exit__(None, None, None)
