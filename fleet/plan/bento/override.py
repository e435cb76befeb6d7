"""A compose override from a layout: one service an agent, the operator's own agents set aside, nothing else touched.

An agent's service is a copy of the operator's, with its variables still open: what the env file keeps secret is in no
override. Only these change: what it runs, its device, its limits, the agents' settings. What would tie a copy to its
original (its name, its published ports, how many there are of it) is left out.

For a trial the copies run in a project of their own beside the operator's, on its networks and volumes (`pinned`): then
the operator's containers are only stopped and started, never made anew. For good (`permanent`) they take the place of
the operator's, which are set to none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fleet.errors import ConfigurationError
from fleet.model.bento import Part, Tuning
from fleet.model.inventory import Device, DeviceKind, Host
from fleet.model.trial import AgentSpec, Layout
from fleet.plan.bento.composefile import ComposeFile, environment
from fleet.plan.bento.roles import agent_command, command_text
from fleet.plan.bento.trees import EMPTY, Tree, mapping

TRIAL = "-fleet"
"""What a trial's project is called after the operator's name for his."""
LABEL = "fleet.agent"
"""The label of a container that says which agent of the layout it is: `box/gpu0#1`."""

_TIES = frozenset(
    {"build", "container_name", "depends_on", "deploy", "extends", "external_links", "links", "ports", "profiles"}
)
_LIMITS = frozenset({"mem_limit", "cpus"})
_SEGMENT = re.compile(r"(--segment-po2[= ]+)(\"[^\"]*\"|\S+)")
_CUDAS, _RUNTIMES = "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"
"""The variables by which CUDA, and NVIDIA's runtime, are told of devices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A service of the override: what it is a copy of, and which agent of the layout it is (None: none of it)."""

    name: str
    original: str
    tree: Tree
    agent: AgentSpec | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to run on one host. `images`: for a service, the image that it runs by now, where that is known."""

    host: Host
    layout: Layout
    tuning: Tuning
    executors: int
    images: Mapping[str, str]


def copies(file: ComposeFile, wanted: Wanted) -> tuple[Copy, ...]:
    """The services that the layout asks for. ConfigurationError where the file has nothing to copy."""
    return (*_provers(file, wanted), *_executors(file, wanted), *_helpers(file, wanted))


def set_aside(file: ComposeFile, made: Iterable[Copy]) -> tuple[str, ...]:
    """The operator's services whose place the copies take: all of the parts that they are of."""
    parts = file.parts()
    taken = {parts[copy.original] for copy in made}
    return tuple(name for name, part in parts.items() if part in taken)


def pinned(file: ComposeFile, made: Sequence[Copy], project: str) -> Tree:
    """The override of a trial: the copies, on the networks and volumes that the operator's project has.

    A host that restarts in the middle of a trial starts the operator's containers again, and none of the trial's.
    """
    networks = {name for copy in made for name in _networks_of(copy.tree)}
    volumes = {name for copy in made for name in _volumes_of(copy.tree)}
    return _whole(
        file,
        services={copy.name: {**copy.tree, "restart": "on-failure"} for copy in made},
        networks=_pins(file.networks, networks, project),
        volumes=_pins(file.volumes, volumes, project),
    )


def permanent(file: ComposeFile, made: Sequence[Copy], compose: str) -> Tree:
    """The override for good, beside the operator's file: his agents set to none, the copies in their place.

    `compose`: its version; v1 knows another word for how many there are.
    """
    aside = {name: _none_of(file.services[name], compose) for name in set_aside(file, made)}
    return _whole(
        file,
        services={**aside, **{copy.name: copy.tree for copy in made}},
        networks={},
        volumes={},
    )


def _none_of(service: Tree, compose: str) -> Tree:
    """No container of a service, in the word that its file has for how many; two words are one too many."""
    return {"scale": 0} if compose.startswith("1.") or "scale" in service else {"deploy": {"replicas": 0}}


def _whole(file: ComposeFile, *, services: Tree, networks: Tree, volumes: Tree) -> Tree:
    parts = {"version": file.version, "services": services, "networks": networks, "volumes": volumes}
    return {name: part for name, part in parts.items() if part}


def _provers(file: ComposeFile, wanted: Wanted) -> Iterator[Copy]:
    agents = [agent for agent in wanted.layout.agents if agent.host == wanted.host.name]
    if not agents:
        return
    original = _original(file, Part.PROVE)
    cards = [device for device in wanted.host.devices if device.kind is not DeviceKind.CPU] or wanted.host.devices
    for agent in agents:
        index = _index(cards, agent)
        tree = _copied(file, original, wanted, {LABEL: agent.name})
        tree.pop("command", None)
        tree["entrypoint"] = _entry(file.services[original])
        tree |= _device(file.services[original], tree, index)
        tree |= _limited(file.services[original], wanted.tuning)
        yield Copy(name=f"fleet_prove_{index}_{agent.slot}", original=original, tree=tree, agent=agent)


def _executors(file: ComposeFile, wanted: Wanted) -> Iterator[Copy]:
    """Executors cut the segments, so they are what the segment size is set at. A worker has none."""
    if not file.of(Part.EXECUTE):
        return
    original = _original(file, Part.EXECUTE)
    service = file.services[original]
    for number in range(wanted.executors):
        tree = _copied(file, original, wanted, {})
        tree["environment"] = {**mapping(tree["environment"], "environment"), "SEGMENT_SIZE": str(wanted.layout.po2)}
        for key in ("entrypoint", "command"):
            if key in service:
                tree[key] = _sized(service[key], wanted.layout.po2)
        if not _SEGMENT.search(command_text(service)):
            key = "command" if "command" in service else "entrypoint"
            tree[key] = _with_words(service.get(key), ("--segment-po2", str(wanted.layout.po2)))
        yield Copy(name=f"fleet_exec_{number}", original=original, tree={**tree, **_limits_of(service)})


def _helpers(file: ComposeFile, wanted: Wanted) -> Iterator[Copy]:
    """As many as the operator has: they carry the cleaner, and the timers that hand tasks out again."""
    for number, original in enumerate(file.of(Part.AUXILIARY)):
        service = file.services[original]
        tree = {**_copied(file, original, wanted, {}), **_limits_of(service), **_count_of(service)}
        yield Copy(name=f"fleet_aux_{number}", original=original, tree=tree)


def _count_of(service: Tree) -> Tree:
    """How many there are of a service, in its file's own word."""
    replicas = mapping(service.get("deploy"), "deploy").get("replicas")
    if replicas is not None:
        return {"deploy": {"replicas": replicas}}
    return {"scale": service["scale"]} if "scale" in service else {}


def _original(file: ComposeFile, part: Part) -> str:
    found = file.of(part)
    if not found:
        raise ConfigurationError(f"the compose file has no service that could {part.value}", hint="is it Bento's?")
    return found[0]


def _copied(file: ComposeFile, original: str, wanted: Wanted, labels: Mapping[str, str]) -> dict[str, object]:
    """The service without what ties it, and with the settings of a trial."""
    service = file.services[original]
    kept = {key: value for key, value in service.items() if key not in _TIES | _LIMITS | {"scale", "labels"}}
    image = wanted.images.get(original) or service.get("image")
    if image is None:
        raise ConfigurationError(
            f"service {original} is built from source and has never run: there is no image of it",
            hint="bring the cluster up once",
        )
    kept["image"] = image
    kept["environment"] = {**environment(service), **_settings(wanted.tuning)}
    if labels:
        kept["labels"] = dict(labels)
    return kept


def _settings(tuning: Tuning) -> dict[str, str]:
    given = {
        "POLL_TIME": tuning.poll,
        "STREAM_REFRESH_INTERVAL": tuning.refresh,
        "PROVE_TIMEOUT": tuning.prove_timeout,
        "JOIN_TIMEOUT": tuning.join_timeout,
    }
    found = {name: f"{value:g}" for name, value in given.items() if value is not None}
    return found | ({"BENTO_DISABLE_COMPLETED_CLEANUP": "true"} if tuning.keep_jobs else {})


def _entry(service: Tree) -> object:
    """One agent in place of as many as there are GPUs."""
    words = agent_command(command_text(service))
    # Where a variable is the shell's, a shell has to fill it.
    return ["/bin/sh", "-c", f"exec {words}"] if "$$" in words else words


def _sized(given: object, po2: int) -> object:
    if isinstance(given, str):
        return _SEGMENT.sub(rf"\g<1>{po2}", given)
    if not isinstance(given, list):
        return given
    return [str(po2) if at and given[at - 1] == "--segment-po2" else _sized(word, po2) for at, word in enumerate(given)]


def _with_words(given: object, more: tuple[str, ...]) -> object:
    return [*given, *more] if isinstance(given, list) else " ".join([str(given or ""), *more]).strip()


def _index(cards: Sequence[Device], agent: AgentSpec) -> int:
    """The place of an agent's device among its host's: what the driver numbers it by."""
    for index, device in enumerate(cards):
        if device.name == agent.device:
            return index
    raise ConfigurationError(f"{agent.host} has no device `{agent.device}`: agent {agent.name} cannot be there")


def _device(service: Tree, tree: Tree, index: int) -> Tree:
    """One device, by the means that the operator's service uses: a reservation, or a variable."""
    kept = {name: value for name, value in environment(tree).items() if name not in {_CUDAS, _RUNTIMES}}
    if _reservations(service):
        only = {"driver": "nvidia", "device_ids": [str(index)], "capabilities": ["gpu"]}
        return {"environment": kept, "deploy": {"resources": {"reservations": {"devices": [only]}}}}
    if _RUNTIMES in environment(service):
        return {"environment": {**kept, _RUNTIMES: str(index)}}
    # Numbered as nvidia-smi numbers them.
    return {"environment": {**kept, _CUDAS: str(index), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}}


def _reservations(service: Tree) -> bool:
    """Whether the engine is asked for devices."""
    resources = mapping(mapping(service.get("deploy"), "deploy").get("resources"), "resources")
    return bool(mapping(resources.get("reservations"), "reservations").get("devices"))


def _limits_of(service: Tree) -> Tree:
    """What the operator lets a service use at most, whichever way he says it."""
    plain = {key: service[key] for key in _LIMITS if key in service}
    resources = mapping(mapping(service.get("deploy"), "deploy").get("resources"), "resources")
    limits = mapping(resources.get("limits"), "limits")
    words = {"mem_limit": limits.get("memory"), "cpus": limits.get("cpus")}
    return plain or {key: value for key, value in words.items() if value is not None}


def _limited(service: Tree, tuning: Tuning) -> Tree:
    """An agent's limits."""
    own = dict(_limits_of(service))
    if tuning.memory is not None:
        own["mem_limit"] = tuning.memory
    if tuning.cpus is not None:
        own["cpus"] = tuning.cpus
    return own


def _networks_of(service: Tree) -> Iterator[str]:
    if "network_mode" in service:
        return
    given = service.get("networks")
    names = [str(name) for name in given] if isinstance(given, list) else list(mapping(given, "networks"))
    yield from names or ["default"]


def _volumes_of(service: Tree) -> Iterator[str]:
    """The named volumes of a service, both ways of writing them."""
    given = service.get("volumes")
    for volume in given if isinstance(given, list) else []:
        source = volume.get("source") if isinstance(volume, dict) else str(volume).partition(":")[0]
        if isinstance(source, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", source):
            yield source


def _pins(stated: Mapping[str, Tree], used: Iterable[str], project: str) -> Tree:
    """The real ones by name, so that a second project uses them and makes none of its own."""
    pins: dict[str, object] = {}
    for name in sorted(used):
        own = stated.get(name, EMPTY)
        if not own.get("external"):
            pins[name] = {"external": True, "name": own.get("name") or f"{project}_{name}"}
    return pins
