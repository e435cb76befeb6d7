"""A Bento project read from what Compose and the engine say of it, and the override that a layout makes of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.codec.composeyaml import read_compose, write_compose
from fleet.errors import ConfigurationError
from fleet.model.bento import BentoSettings, Generation, Part, Stack, Tuning
from fleet.model.history import Knobs
from fleet.model.inventory import Device, DeviceKind, Host, Login, Ports, Role
from fleet.model.playbook import Secret
from fleet.model.trial import AgentSpec, Layout
from fleet.plan.bento.composefile import ComposeFile, compose_file, generation_of, grace, stack_of
from fleet.plan.bento.containers import Container, containers
from fleet.plan.bento.knobs import knobs, probe, setting, told
from fleet.plan.bento.override import Wanted, copies, permanent, pinned, set_aside
from fleet.plan.bento.rivals import rivals
from fleet.plan.bento.roles import agent_command, part_of
from fleet.plan.bento.secrecy import veiled, veiled_complaint, veiled_tree, veiled_words
from fleet.plan.bento.sight import GpuUse, Sight, executors, gpu_uses, orders, orders_databases, project_of, remote
from fleet.plan.bento.timers import as_set

LEGACY = """\
name: bento
services:
  postgres:
    image: postgres
    environment: {POSTGRES_PASSWORD: "${POSTGRES_PASSWORD:-password}"}
  exec_agent:
    image: agent
    mem_limit: 4G
    cpus: 3
    deploy: {replicas: 2}
    environment: {DATABASE_URL: "postgresql://worker:${POSTGRES_PASSWORD:-password}@postgres/taskdb", POLL_TIME: null}
    entrypoint: /app/agent -t exec --segment-po2 ${SEGMENT_SIZE:-21} --redis-ttl ${REDIS_TTL:-57600}
  aux_agent:
    image: agent
    deploy: {replicas: 2}
    entrypoint: /app/agent -t aux --monitor-requeue
  gpu_prove_agent0:
    build: {context: .}
    container_name: prover
    ports: ["9999:9999"]
    depends_on: [postgres]
    entrypoint: /app/agent -t prove --redis-ttl ${REDIS_TTL:-57600}
    volumes: ["cache:/cache", "/etc/hosts:/etc/hosts:ro"]
    deploy: {resources: {limits: {memory: 4G}, reservations: {devices: [{driver: nvidia, device_ids: ["0"]}]}}}
  broker:
    image: broker
    profiles: [broker]
    stop_grace_period: 3h
    entrypoint: /app/broker --db-url 'sqlite:///db/broker.db'
  miner: {image: agent, profiles: [miner], entrypoint: /app/bento_cli --iter-count 5}
networks: {default: {name: bento_default}}
volumes: {cache: {name: bento_cache}}
"""
CURRENT = """\
services:
  redis: {image: valkey}
  exec_agent:
    image: agent
    environment: ["REDIS_URL=redis://:${REDIS_PASSWORD:-}@redis:6379", "SEGMENT_SIZE=${SEGMENT_SIZE:-21}"]
    entrypoint: ["/bin/sh", "-c", "/app/agent -t exec --segment-po2 $$SEGMENT_SIZE --redis-ttl $$REDIS_TTL"]
  gpu_prove_agent:
    image: agent
    network_mode: host
    environment: ["NVIDIA_VISIBLE_DEVICES=all"]
    entrypoint:
      - /bin/sh
      - -c
      - "for gpu in $(nvidia-smi); do CUDA_VISIBLE_DEVICES=$$gpu /app/agent -t prove --redis-ttl $$REDIS_TTL & done"
  rest_api: {image: api, entrypoint: /app/rest_api}
"""
SETTINGS = BentoSettings(compose="/opt/My Bento/compose.yml")


def file_of(text: str) -> ComposeFile:
    return compose_file(read_compose(text))


def host(*devices: str, name: str = "box") -> Host:
    cards = tuple(Device(name=device, kind=DeviceKind.CUDA, model="L4") for device in devices)
    return Host(
        name=name,
        role=Role.HEAD,
        login=Login(address="10.0.0.1"),
        node_address="10.0.0.1",
        devices=cards,
        ports=Ports(first=20000, last=20299),
        python="python3",
        work_dir=".fleet",
    )


def wanted(*agents: str, tuning: Tuning | None = None, images: Mapping[str, str] | None = None) -> Wanted:
    """Agents as `gpu0#1`, and one on another host that is none of this host's business."""
    specs = [AgentSpec(host="box", device=one.split("#")[0], slot=int(one.split("#")[1])) for one in agents]
    layout = Layout(agents=(*specs, AgentSpec(host="far", device="gpu0")), po2=20)
    known = {"gpu_prove_agent0": "sha256:1"} if images is None else images
    return Wanted(host=host("gpu0", "gpu1"), layout=layout, tuning=tuning or Tuning(), executors=2, images=known)


def container(
    name: str, service: str = "", *, project: str = "bento", state: str = "running", **more: object
) -> Container:
    told_: dict[str, object] = {
        "id": f"{sum(map(ord, name)):064x}",
        "name": f"/{name}",
        "image": "agent",
        "digest": "sha256:1",
        "state": state,
        "pid": 17,
        "started": name,
        "restarts": 0,
        "project": project,
        "service": service,
        **more,
    }
    (found,) = containers(json.dumps(told_))
    return found


def sight(text: str, *own: Container, others: tuple[Container, ...] = ()) -> Sight:
    return Sight(
        settings=SETTINGS,
        project="bento",
        engine="28",
        compose="2.26.1",
        file=file_of(text),
        known={"POSTGRES_PASSWORD": Secret("s3cret")},
        own=own,
        others=others,
    )


def test_timers_are_as_the_cluster_is_set() -> None:
    """As its env file, its compose file or its agents have it; what the operator states stands; aux agents that run."""
    one, two = (container(f"aux{number}", "aux_agent") for number in (1, 2))
    seen = replace(sight(LEGACY, one, two, container("aux3", "aux_agent", state="exited")), known={})
    assert as_set(seen, Knobs()) == Knobs(poll_set=1.0, refresh_set=5.0)
    known = {"POLL_TIME": Secret("0"), "STREAM_REFRESH_INTERVAL": Secret("2")}
    found = as_set(replace(seen, known=known, own=(one,)), Knobs(poll=3.0, poll_stated=True))
    assert (found.poll, found.poll_set, found.refresh, found.refreshers) == (3.0, 0.0, 2.0, 1)
    assert as_set(replace(seen, known={"POLL_TIME": Secret("soon")}), Knobs()).poll_set is None


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ("", 1),
        ("scale: 3", 3),
        ("deploy: {replicas: 2}", 2),
        ("deploy: {replicas: '${BENTO_EXECUTOR_COUNT:-4}'}", 4),
        ("deploy: {replicas: '${EXECUTORS}'}", 7),
    ],
)
def test_where_no_executor_runs_there_are_as_many_as_the_file_asks_for(asked: str, count: int) -> None:
    """A number or a variable's; those that run are counted instead, where there are any."""
    text = f"services: {{exec_agent: {{image: a, command: /app/agent -t exec, {asked}}}}}"
    told_ = sight(text, container("one", "exec_agent", state="exited"))
    assert executors(replace(told_, known={"EXECUTORS": Secret("7")})) == count
    running = [container(str(number), "exec_agent") for number in range(5)]
    assert executors(sight(text, *running)) == 5


@pytest.mark.parametrize(
    ("text", "stack", "generation"),
    [(LEGACY, Stack.LEGACY, Generation.SERVICES), (CURRENT, Stack.CURRENT, Generation.ONE_SERVICE)],
)
def test_stack_and_generation_are_seen_in_the_file(text: str, stack: Stack, generation: Generation) -> None:
    assert (stack_of(file_of(text)), generation_of(file_of(text))) == (stack, generation)


@pytest.mark.parametrize(
    ("name", "command", "part"),
    [
        ("anything", "/app/agent -t exec --segment-po2 21", Part.EXECUTE),
        ("gpu_agent3", "/app/agent --task-stream prove", Part.PROVE),
        ("gpu_prove_agent", "/app/start-all", Part.PROVE),
        ("broker2", "/app/broker", Part.BROKER),
        ("message_broker", "mosquitto -t prove", Part.OTHER),
        ("snark", "/app/agent -t snark", Part.OTHER),
    ],
)
def test_a_part_is_told_by_command_then_by_name(name: str, command: str, part: Part) -> None:
    assert part_of(name, command) is part


def test_one_agents_command_is_found_in_the_loop_that_starts_them() -> None:
    """With its options, and without what the loop does besides."""
    loop = "for gpu in $(nvidia-smi); do X=$$gpu /app/agent -t prove --redis-ttl $$REDIS_TTL & done; wait"
    assert agent_command(loop) == "/app/agent -t prove --redis-ttl $$REDIS_TTL"
    assert agent_command("/app/gpu_agents --redis-ttl 57600") == "/app/agent -t prove --redis-ttl 57600"


@pytest.mark.parametrize(
    ("given_", "seconds"), [(None, 10.0), ("3h", 10800.0), ("1h30m", 5400.0), ("90s", 90.0), ("1500ms", 1.5)]
)
def test_grace_periods(given_: str | None, seconds: float) -> None:
    assert grace({"stop_grace_period": given_}) == seconds


def test_a_grace_period_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a duration such as 3h"):
        grace({"stop_grace_period": "soon"})


@pytest.mark.parametrize("value", [[], "x", {"services": {"a b": {}}}, {"services": {"a": []}}, {"services": 3}])
def test_what_is_no_compose_file_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"expected|is no service"):
        compose_file(value)


def test_one_service_an_agent_with_its_own_device_and_the_layouts_segment_size() -> None:
    """Copies, with the operator's variables still open and without what would tie them to their originals."""
    made = {copy.name: copy for copy in copies(file_of(LEGACY), wanted("gpu0#0", "gpu1#0", "gpu1#1"))}
    assert list(made) == [
        *("fleet_prove_0_0", "fleet_prove_1_0", "fleet_prove_1_1"),
        *("fleet_exec_0", "fleet_exec_1", "fleet_aux_0"),
    ]
    tree = made["fleet_prove_1_1"].tree
    assert tree["entrypoint"] == "/app/agent -t prove --redis-ttl ${REDIS_TTL:-57600}"
    assert tree["image"] == "sha256:1"
    assert tree["deploy"] == {
        "resources": {"reservations": {"devices": [{"driver": "nvidia", "device_ids": ["1"], "capabilities": ["gpu"]}]}}
    }
    assert tree["mem_limit"] == "4G"
    assert tree["labels"] == {"fleet.agent": "box/gpu1#1"}
    assert not {"ports", "container_name", "depends_on", "build"} & tree.keys()
    executor = made["fleet_exec_0"].tree
    assert executor["entrypoint"] == "/app/agent -t exec --segment-po2 20 --redis-ttl ${REDIS_TTL:-57600}"
    environment = executor["environment"]
    assert isinstance(environment, dict)
    assert environment["DATABASE_URL"] == "postgresql://worker:${POSTGRES_PASSWORD:-password}@postgres/taskdb"
    assert (environment["SEGMENT_SIZE"], environment["PROVE_TIMEOUT"], environment["POLL_TIME"]) == ("20", "3600", None)
    assert (executor["mem_limit"], executor["cpus"]) == ("4G", 3)
    helper = made["fleet_aux_0"].tree["environment"]
    assert made["fleet_aux_0"].tree["deploy"] == {"replicas": 2}
    assert isinstance(helper, dict)
    assert helper["BENTO_DISABLE_COMPLETED_CLEANUP"] == "true"


def test_where_one_service_is_for_all_each_agent_gets_a_shell_for_its_variables() -> None:
    made = {copy.name: copy.tree for copy in copies(file_of(CURRENT), wanted("gpu1#0"))}
    assert made["fleet_prove_1_0"]["entrypoint"] == [
        *("/bin/sh", "-c"),
        "exec /app/agent -t prove --redis-ttl $$REDIS_TTL",
    ]
    environment = made["fleet_prove_1_0"]["environment"]
    assert isinstance(environment, dict)
    assert environment["NVIDIA_VISIBLE_DEVICES"] == "1"
    assert "CUDA_VISIBLE_DEVICES" not in environment
    entry = made["fleet_exec_0"]["entrypoint"]
    assert isinstance(entry, list)
    assert entry[2] == "/app/agent -t exec --segment-po2 20 --redis-ttl $$REDIS_TTL"


def test_what_a_trial_sets() -> None:
    tuning = Tuning(poll=0.25, refresh=2, memory=2**33, cpus=1.5, keep_jobs=False, prove_timeout=None)
    tree = copies(file_of(LEGACY), wanted("gpu0#0", tuning=tuning))[0].tree
    assert tree["environment"] == {"POLL_TIME": "0.25", "STREAM_REFRESH_INTERVAL": "2", "JOIN_TIMEOUT": "600"}
    assert (tree["mem_limit"], tree["cpus"]) == (2**33, 1.5)


def test_a_trials_override_is_tied_to_the_operators_networks_and_volumes() -> None:
    file = file_of(LEGACY)
    override = pinned(file, copies(file, wanted("gpu0#0")), "bento")
    assert override["networks"] == {"default": {"external": True, "name": "bento_default"}}
    assert override["volumes"] == {"cache": {"external": True, "name": "bento_cache"}}
    services = override["services"]
    assert isinstance(services, dict)
    assert {service["restart"] for service in services.values()} == {"on-failure"}
    assert read_compose(write_compose(override)) == override


@pytest.mark.parametrize(
    ("compose", "word"), [("2.26.1", {"deploy": {"replicas": 0}}), ("1.29.2", {"scale": 0})]
)  # fmt: skip
def test_an_override_for_good_sets_the_operators_agents_to_none(compose: str, word: object) -> None:
    file = file_of(LEGACY)
    made = copies(file, wanted("gpu0#0"))
    override = permanent(file, made, compose)
    services = override["services"]
    assert isinstance(services, dict)
    assert set_aside(file, made) == ("exec_agent", "aux_agent", "gpu_prove_agent0")
    assert all(services[name] == word for name in set_aside(file, made))
    assert not {"networks", "volumes"} & override.keys()


def test_a_service_that_was_never_built_cannot_be_copied() -> None:
    with pytest.raises(ConfigurationError, match="has never run: there is no image"):
        copies(file_of(LEGACY), wanted("gpu0#0", images={}))


def test_an_agent_on_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="box has no device `gpu7`"):
        copies(file_of(LEGACY), wanted("gpu7#0"))


@given(st.text(min_size=1))
def test_a_password_is_shown_nowhere(password: str) -> None:
    """Whatever signs it is made of, and however the file writes the environment."""
    secret = f"<{password}>"
    tree = {
        "environment": {"POSTGRES_PASSWORD": secret, "DATABASE_URL": f"postgresql://worker:{secret}@host/db", "A": "b"},
        "other": {"environment": [f"MINIO_SECRET_KEY={secret}", f"REDIS_URL=redis://:{secret}@redis:6379", "C=d"]},
    }
    shown = veiled_tree(tree)
    assert isinstance(shown, dict)
    assert shown["environment"] == {
        "POSTGRES_PASSWORD": "***",
        "DATABASE_URL": "postgresql://worker:***@host/db",
        "A": "b",
    }
    assert shown["other"]["environment"] == ["MINIO_SECRET_KEY=***", "REDIS_URL=redis://:***@redis:6379", "C=d"]
    assert veiled_words(["/app/agent", "--redis-password", secret]) == ("/app/agent", "--redis-password", "***")
    assert veiled("PROVER_RPC_URL", secret) == "***"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            "failed to read /opt/.env: line 2: unterminated quoted value 's3cret\nand more",
            "unterminated quoted value ***",
        ),
        ('failed to read /opt/.env: line 3: unexpected character "@" in variable name "s3cret"', "character ***"),
        ('invalid interpolation format for services.a.environment.X: "${s3cret"', "services.a.environment.X: ***"),
        ("yaml: line 7: did not find expected ',' or ']'", "did not find expected ',' or ']'"),
        ("cannot reach postgresql://worker:s3cret@host/db", "postgresql://worker:***@host/db"),
    ],
)
def test_what_compose_complains_about_is_said_without_what_it_quotes(said: str, shown: str) -> None:
    assert veiled_complaint(said).endswith(shown)
    assert "s3cret" not in veiled_complaint(said)


def test_settings_are_read_as_compose_reads_them_and_shown_without_secrets() -> None:
    """What is not set shows the nonce; a doubled dollar is one."""
    asked = json.loads(probe("n0nce"))["services"]["probe"]["environment"]
    assert asked["SEGMENT_SIZE"] == "${SEGMENT_SIZE-n0nce}"
    said = dict.fromkeys(asked, "n0nce") | {"SEGMENT_SIZE": "19", "POSTGRES_PASSWORD": "a$$b'c", "REDIS_HOST": ""}
    known = told({"services": {"probe": {"environment": said}}}, "n0nce")
    assert {name: secret.value for name, secret in known.items()} == {
        "SEGMENT_SIZE": "19",
        "POSTGRES_PASSWORD": "a$b'c",
        "REDIS_HOST": "",
    }
    file = file_of(LEGACY)
    shown = {knob.name: (knob.value, knob.default) for knob in knobs(file, Stack.LEGACY, known)}
    assert shown["SEGMENT_SIZE"] == ("19", "21")
    assert shown["POSTGRES_PASSWORD"] == ("***", "***")
    assert shown["REDIS_TTL"] == (None, "57600")
    assert setting(file, known, "POSTGRES_PASSWORD") == "a$b'c"
    assert setting(file, {}, "POSTGRES_PASSWORD") == "password"
    assert "a$b'c" not in repr(known)


def test_a_container_is_read_from_its_line() -> None:
    found = container(
        "bento-gpu-1",
        "gpu_prove_agent0",
        grace=10800,
        entrypoint=["/app/agent"],
        command=["-t", "prove"],
        requests=[{"DeviceIDs": ["0", "1"], "Count": 0}],
        networks={"bento": {"IPAddress": "172.18.0.3", "Gateway": "172.18.0.1"}},
        mounts=[{"Destination": "/db/", "Source": "/var/lib/x"}],
        visible="[CUDA_VISIBLE_DEVICES 2] ",
    )
    assert (found.name, found.patience, found.command) == ("bento-gpu-1", 10800.0, ("/app/agent", "-t", "prove"))
    assert found.devices == ("0", "1", "2")
    assert (found.addresses, found.gateways, found.volumes) == (("172.18.0.3",), ("172.18.0.1",), {"/db": "/var/lib/x"})
    assert container("a").patience == 10.0


@pytest.mark.parametrize("line", ["[]", "{}", "{", '{"id": "short"}', "null", '"x"'])
def test_a_line_that_is_no_container_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        containers(line)


def test_the_projects_name_is_found_as_compose_finds_it() -> None:
    assert project_of(SETTINGS, file_of(LEGACY)) == "bento"
    assert project_of(SETTINGS, file_of(CURRENT)) == "mybento"
    named = BentoSettings(compose="/c", project="mine")
    assert project_of(named, file_of(LEGACY)) == "mine"


def test_remote_agents_are_who_comes_from_elsewhere() -> None:
    """Not the host itself, its containers, or the engine's gateway, behind which it hides who came."""
    own = container("r", "redis", networks={"n": {"IPAddress": "172.18.0.3", "Gateway": "172.18.0.1"}})
    said = "here 10.0.0.1 \nfar 0100007F\nfar 030012AC\nfar 010012AC\nfar 0100000A\nfar 0900000A\nfar 0900000A\n"
    said += "far 0000000000000000FFFF00000800000A\nfar nonsense\n"
    found = remote(sight(CURRENT, own), said)
    assert [(one.address, one.clients) for one in found] == [("10.0.0.8", 1), ("10.0.0.9", 2)]


def test_orders_that_somebody_waits_for_are_counted() -> None:
    assert orders("done 90\nproving 2\npendingsubmission 1\nnew 4\n") == 3
    with pytest.raises(ValueError, match="cannot be read"):
        orders("Traceback (most recent call last):")


def test_the_brokers_database_is_found_among_its_volumes() -> None:
    broker = container(
        "b",
        "broker",
        entrypoint=["/app/broker", "--db-url", "sqlite:///db/broker.db"],
        mounts=[{"Destination": "/db", "Source": "/volumes/broker"}],
    )
    assert orders_databases(sight(LEGACY, broker)) == ("/volumes/broker/broker.db",)
    assert orders_databases(sight(LEGACY, broker, container("c", "broker"))) == ()


def test_rivals_are_broker_miner_and_foreign_gpu_work() -> None:
    """A broker gets three hours whatever its container says; what nobody could start again is only named."""
    own = (container("b", "broker"), container("m", "miner"), container("g", "gpu_prove_agent0"))
    others = (container("train", project="ml"), container("idle", project="ml"))
    said = (
        f"11 {own[2].id} - /app/agent\n12 {others[0].id} - python\n13 - ollama.service ollama\n14 - - python train.py\n"
    )
    parts = file_of(LEGACY).parts()
    found = rivals((*own, *others), parts, "bento", gpu_uses(said), 2)
    assert [one.name for one in found.containers] == ["b", "m", "train"]
    assert found.patience == (10800.0, 10.0, 10.0)
    # Of the project, by another of its files than the one that is named.
    second = container("c", "broker2", entrypoint=["/app/broker"])
    assert rivals((second,), parts, "bento", (), None).patience == (10800.0,)
    assert found.units == ("ollama.service",)
    assert found.stuck == (GpuUse(pid=14, name="python train.py", container=None, unit=None),)
    assert found.lines[0] == "container b: told to stop, gets 3 h 00 min, 2 orders under way; started again"
    assert not rivals((container("b", "broker", state="exited"),), parts, "bento", (), None)
