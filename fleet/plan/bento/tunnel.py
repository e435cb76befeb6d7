"""PURE. A WireGuard tunnel between a Bento head and workers in other networks: who has which address, and the steps.

Workers call the head, so they may be behind NAT; the head needs one UDP port that can be reached. What the head's
interface has already is read off its configuration, in which there is no key but public ones.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fleet.errors import ConfigurationError
from fleet.model.hoststeps import PackageStep
from fleet.model.playbook import Playbook, Step
from fleet.model.stacksteps import WireguardStep
from fleet.plan.steps.wireguards import FOLDER, keying

INTERFACE = "fleet-bento"
"""What it is called on every host."""
PLAYBOOK = "bento tunnel"
CONFIGURATION = f"{FOLDER}/{INTERFACE}.conf"

_PORT = 51820
_TOOLS = PackageStep(name="WireGuard's tools are there", packages=("wireguard-tools",))
_ENDPOINT = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The tunnel that an operator wants. `network`: its own; `endpoint`: where workers reach the head, HOST:PORT."""

    network: str
    endpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tunnel:
    """A head's end of it. `address`: its own, with the network's length; `peers`: `KEY NETWORK`, one a worker."""

    address: str
    port: int
    peers: tuple[str, ...]

    def without(self, key: str, address: str) -> tuple[str, ...]:
        """The peers but for the worker that has this key or this address."""
        return tuple(
            peer for peer in self.peers if peer.split()[0] != key and peer.split()[1] not in _networks(address)
        )


def call_of(network: str, endpoint: str | None, address: str) -> Call:
    """What the options say. `address`: the head's, where none says where it is reached. ConfigurationError."""
    try:
        whole = ipaddress.ip_network(network)
    except ValueError:
        raise ConfigurationError(f"--wireguard {network[:40]}: expected a network such as 10.77.0.0/24") from None
    if whole.num_addresses < 4:  # noqa: PLR2004 (its own, its last, and two hosts)
        raise ConfigurationError(f"--wireguard {network}: there is no room in it for two hosts")
    host = f"[{address}]" if ":" in address else address
    found = endpoint or f"{host}:{_PORT}"
    match = _ENDPOINT.fullmatch(found)
    if match is None or not 0 < int(match[2]) < 2**16:
        raise ConfigurationError(f"--endpoint {found[:60]}: expected HOST:PORT, such as 203.0.113.5:{_PORT}")
    return Call(network=network, endpoint=found)


def tunnel_of(configuration: str) -> Tunnel | None:
    """The head's end, as its file has it; None where there is none."""
    own = dict(_pairs(configuration.partition("[Peer]")[0]))
    peers = [dict(_pairs(text)) for text in configuration.split("[Peer]")[1:]]
    if "Address" not in own:
        return None
    return Tunnel(
        address=own["Address"],
        port=int(own.get("ListenPort", _PORT)),
        peers=tuple(
            f"{peer['PublicKey']} {peer['AllowedIPs']}" for peer in peers if {"PublicKey", "AllowedIPs"} <= set(peer)
        ),
    )


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, sign, value = line.partition("=")
        if sign:
            yield name.strip(), value.strip()


def addresses(call: Call, found: Tunnel | None, key: str) -> tuple[str, str]:
    """The head's address and the worker's, with the network's length: what they have already, else the next free ones.

    `key`: the worker's public key, empty where it has none yet. ConfigurationError where the head has another tunnel,
    or nothing is free.
    """
    network = ipaddress.ip_network(call.network)
    hosts = iter(network.hosts())
    head = f"{next(hosts)}/{network.prefixlen}"
    if found is not None and found.address != head:
        raise ConfigurationError(
            f"the head's tunnel is {found.address} already",
            hint=f"--wireguard {ipaddress.ip_interface(found.address).network}",
        )
    peers = [peer.split() for peer in (found.peers if found else ())]
    taken = {peer[1]: peer[0] for peer in peers}
    own = next((address for address, one in taken.items() if key and one == key), None)
    free = (str(host) for host in hosts if not _networks(str(host)) & taken.keys())
    worker = own.partition("/")[0] if own else next(free, None)
    if worker is None:
        raise ConfigurationError(f"--wireguard {call.network}: no address is free in it")
    return head, f"{worker}/{network.prefixlen}"


def _networks(address: str) -> frozenset[str]:
    """An address as a peer's network."""
    return frozenset({f"{address}/32", f"{address}/128"})


def _alone(address: str) -> str:
    return str(ipaddress.ip_network(address.partition("/")[0]))


def keys_playbook(address: str) -> Playbook:
    """A key for the worker, if it has none; with it the head can be told of it."""
    return _playbook(_TOOLS, keying(_step(address, _PORT, ())))


def head_end(address: str, port: int, peers: Sequence[str], worker: tuple[str, str] | None) -> Playbook:
    """The head's end. `worker`: name and address of a new one; `peers`: those that it has."""
    new = [f"{worker[0]} {_alone(worker[1])}"] if worker else []
    return _playbook(_TOOLS, _step(address, port, (*peers, *new)))


def worker_end(address: str, head: tuple[str, str], call: Call) -> Playbook:
    """The worker's end. `head`: its name and address."""
    return _playbook(_TOOLS, _step(address, _PORT, (f"{head[0]} {_alone(head[1])} {call.endpoint}",)))


def port_of(call: Call) -> int:
    """The port on which the head listens."""
    return int(call.endpoint.rpartition(":")[2])


def _playbook(*steps: Step) -> Playbook:
    return Playbook(name=PLAYBOOK, path="fleet worker add", steps=steps)


def _step(address: str, port: int, peers: tuple[str, ...]) -> WireguardStep:
    return WireguardStep(
        name="a tunnel of the Bento cluster's own", interface=INTERFACE, address=address, port=port, peers=peers
    )
