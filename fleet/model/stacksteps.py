"""Steps that ready a host for GPU work in containers and between hosts: engine, driver, projects, firewall, tunnel.

All have `name`, `tags` and `sudo` as every kind has (`fleet.model.playbook`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reboot(StrEnum):
    """Whether a step may restart the host."""

    NEVER = "never"
    ALLOWED = "allowed"


class Wall(StrEnum):
    """Which firewall holds the rules. AUTO: ufw where it is in force, else nftables."""

    AUTO = "auto"
    UFW = "ufw"
    NFTABLES = "nftables"


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerStep:
    """Docker Engine is there, at least of the version `engine`, and answers.

    `compose`: so does Compose, as its plug-in or (v1) as a program. `nvidia`: containers can ask for NVIDIA's runtime.
    """

    name: str
    engine: str = "20.10"
    compose: bool = False
    nvidia: bool = False
    tags: tuple[str, ...] = ()
    sudo: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class NvidiaStep:
    """Every card's driver answers and is at least `driver`; None for a setting = as the card has it.

    `power_limit` in watts; `application_clocks` in MHz, memory's and graphics', as in `2619,1980`. `package`: what to
    install where there is no driver, or too old a one. A new driver may need a restart of the host, which is only said
    unless `reboot` is `allowed`.
    """

    name: str
    driver: str = "0"
    persistence: bool | None = None
    power_limit: int | None = None
    application_clocks: str | None = None
    package: str | None = None
    reboot: Reboot = Reboot.NEVER
    tags: tuple[str, ...] = ()
    sudo: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeStep:
    """The Compose project is up: these services (all where none is named) run as its files have them.

    `directory` holds `files` and the optional `env_file`. `alone`: without the services that these depend on.
    """

    name: str
    project: str
    directory: str
    files: tuple[str, ...] = ("compose.yml",)
    env_file: str | None = None
    services: tuple[str, ...] = ()
    alone: bool = False
    tags: tuple[str, ...] = ()
    sudo: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class FirewallStep:
    """The ports are open to these sources and to nobody else; all other ports stay as they are.

    `sources`: addresses or networks. `ports`: `8081`, `20000-20299`, `51820/udp`. A range with a port of SSH in it is
    refused.
    """

    name: str
    sources: tuple[str, ...]
    ports: tuple[str, ...]
    wall: Wall = Wall.AUTO
    tags: tuple[str, ...] = ()
    sudo: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class WireguardStep:
    """The interface is up with this address and these peers. Its private key is made on the host and never leaves it.

    `peers`, a line each: `PEER NETWORK[,NETWORK] [HOST:PORT]`. PEER is a host of the inventory, whose public key is
    looked up, or a public key.
    """

    name: str
    interface: str
    address: str
    port: int = 51820
    peers: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    sudo: bool = True
