"""A Bento cluster as the operator names it and as it is found: stacks, services, settings, agents."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Stack(StrEnum):
    """Where the task database is: the legacy stack has it in PostgreSQL, the current one in Redis."""

    LEGACY = "legacy"
    CURRENT = "current"


class Generation(StrEnum):
    """How the compose file starts GPU agents: a service each (gpu_agent0…N), or gpu_prove_agent for all."""

    SERVICES = "services"
    ONE_SERVICE = "one service"


class Part(StrEnum):
    """What a service does in a Bento cluster."""

    EXECUTE = "execute"
    PROVE = "prove"
    AUXILIARY = "auxiliary"
    API = "api"
    BROKER = "broker"
    MINER = "miner"
    POSTGRES = "postgres"
    REDIS = "redis"
    FILES = "files"
    OTHER = "other"


ALIVE = frozenset({"running", "restarting"})
"""States of a container that is at work, or will be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BentoSettings:
    """The inventory's `bento` block: which deployment is measured. Paths are absolute and on the head.

    `env_file`: as compose is given it, None = the compose file names none. `project`: compose's project name, None = as
    compose itself takes it from the folder. `database`: its URL as the head sees it, without a password, None = as the
    env file has it. `api`: the REST API as the head sees it. `elf` and `stdin`: a real program and its input instead of
    the synthetic guest, whose length is `workload.iterations`. `cli`: words that run bento_cli on the head, None = in
    the container that has it.
    """

    compose: str
    env_file: str | None = None
    project: str | None = None
    stack: Stack | None = None
    database: str | None = None
    api: str | None = None
    elf: str | None = None
    stdin: str | None = None
    cli: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One container of the deployment. `image`: the reference; `digest`: what it stands for, as the engine has it.

    `state`: the engine's word (running, exited, restarting …), None = the compose file names it and there is no
    container. `stop_grace`: seconds it is given to end by itself.
    """

    name: str
    image: str
    container: str | None = None
    digest: str | None = None
    state: str | None = None
    restarts: int = 0
    stop_grace: float = 10.0
    command: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    part: Part = Part.OTHER

    @property
    def alive(self) -> bool:
        """Whether it is at work, or will be."""
        return self.state in ALIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    """One setting of the env file or of a service. `value` None = not set, so that `default` holds."""

    name: str
    value: str | None
    default: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteAgents:
    """Agents of another machine that are attached to this cluster: its address, and how many clients it has there."""

    address: str
    clients: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """What a trial, or an operator, sets besides the layout. None = as the cluster has it.

    `memory` (bytes) and `cpus`: what each proving agent may use at most. `poll` and `refresh`: the periods of the
    agents' timers, seconds. `prove_timeout` and `join_timeout`: seconds after which a task is handed out again; Bento's
    30 and 10 are too few for large segments. `keep_jobs`: no cleaner, so that a job can be read once it is done.
    """

    executors: int | None = None
    memory: int | None = None
    cpus: float | None = None
    poll: float | None = None
    refresh: float | None = None
    prove_timeout: int | None = 3600
    join_timeout: int | None = 600
    keep_jobs: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What `fleet bento status` found on a head. `gpus`: models, in the order of their indices.

    `unread`: what could not be found out, and why.
    """

    host: str
    settings: BentoSettings
    stack: Stack
    generation: Generation
    project: str
    compose_version: str
    services: tuple[Service, ...]
    knobs: tuple[Knob, ...]
    gpus: tuple[str, ...]
    agents: int
    orders: int | None = None
    remote: tuple[RemoteAgents, ...] = ()
    unread: tuple[str, ...] = ()

    def service(self, name: str) -> Service | None:
        """The service of that name, if there is one."""
        return next((each for each in self.services if each.name == name), None)
