"""A tunnel of a Bento cluster's own: who has which address, and what each end is told of the other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.errors import ConfigurationError
from fleet.model.stacksteps import WireguardStep
from fleet.plan.bento.tunnel import Call, Tunnel, addresses, call_of, head_end, tunnel_of, worker_end

KEYS = [f"{sign * 42}A=" for sign in "abc"]
CONFIGURATION = f"""\
[Interface]
Address = 10.77.0.1/24
ListenPort = 51821
PostUp = wg set %i private-key /etc/wireguard/%i.key

[Peer]
PublicKey = {KEYS[0]}
AllowedIPs = 10.77.0.2/32
PersistentKeepalive = 25

[Peer]
PublicKey = {KEYS[1]}
AllowedIPs = 10.77.0.4/32
PersistentKeepalive = 25
"""
CALL = Call(network="10.77.0.0/24", endpoint="203.0.113.5:51820")


def test_the_heads_end_is_read_off_its_own_file() -> None:
    """Address, port and peers; a worker is taken out by its key or its address."""
    found = tunnel_of(CONFIGURATION)
    assert found is not None
    assert (found.address, found.port) == ("10.77.0.1/24", 51821)
    assert found.peers == (f"{KEYS[0]} 10.77.0.2/32", f"{KEYS[1]} 10.77.0.4/32")
    assert found.without(KEYS[0], "") == found.without("", "10.77.0.2") == found.peers[1:]
    assert found.without("", "10.0.0.9") == found.peers
    assert tunnel_of("") is None


def test_a_worker_has_the_next_free_address_and_keeps_it() -> None:
    """Gaps are filled; who is known by its key is where it was."""
    found = tunnel_of(CONFIGURATION)
    assert addresses(CALL, found, "") == ("10.77.0.1/24", "10.77.0.3/24")
    assert addresses(CALL, found, KEYS[1]) == ("10.77.0.1/24", "10.77.0.4/24")
    assert addresses(CALL, None, KEYS[1]) == ("10.77.0.1/24", "10.77.0.2/24")


def test_a_second_network_and_a_full_one_are_refused() -> None:
    """Before anything is done."""
    with pytest.raises(ConfigurationError, match=r"the head's tunnel is 10\.77\.0\.1/24 already"):
        addresses(Call(network="10.78.0.0/24", endpoint="h:1"), tunnel_of(CONFIGURATION), "")
    full = Tunnel(address="10.9.0.1/30", port=51820, peers=(f"{KEYS[0]} 10.9.0.2/32",))
    with pytest.raises(ConfigurationError, match="no address is free"):
        addresses(Call(network="10.9.0.0/30", endpoint="h:1"), full, "")


@pytest.mark.parametrize(
    ("network", "endpoint", "said"),
    [
        ("10.77.0.1/24", None, "expected a network"),
        ("ten", None, "expected a network"),
        ("10.77.0.0/31", None, "no room"),
        ("10.77.0.0/24", "nowhere", "expected HOST:PORT"),
        ("10.77.0.0/24", "h:99999", "expected HOST:PORT"),
        ("10.77.0.0/24", "h; rm -rf /:1", "expected HOST:PORT"),
    ],
)
def test_what_is_no_tunnel_is_refused(network: str, endpoint: str | None, said: str) -> None:
    """In one line."""
    with pytest.raises(ConfigurationError, match=said):
        call_of(network, endpoint, "203.0.113.5")


def test_where_nobody_says_otherwise_the_head_is_where_ssh_reaches_it() -> None:
    """An address of six is written as an endpoint has it."""
    assert call_of("10.77.0.0/24", None, "203.0.113.5").endpoint == "203.0.113.5:51820"
    assert call_of("fd77::/64", None, "2001:db8::5").endpoint == "[2001:db8::5]:51820"


def test_the_worker_calls_and_the_head_listens() -> None:
    """So that a worker may be behind a router: the head is told of no place where it would be."""
    head = head_end("10.77.0.1/24", 51820, [f"{KEYS[0]} 10.77.0.2/32"], ("far", "10.77.0.3/24")).steps[-1]
    worker = worker_end("10.77.0.3/24", ("box", "10.77.0.1/24"), CALL).steps[-1]
    assert isinstance(head, WireguardStep)
    assert isinstance(worker, WireguardStep)
    assert head.peers == (f"{KEYS[0]} 10.77.0.2/32", "far 10.77.0.3/32")
    assert worker.peers == ("box 10.77.0.1/32 203.0.113.5:51820",)


@given(st.sets(st.integers(2, 14), max_size=12))
def test_no_two_workers_have_one_address(taken: set[int]) -> None:
    """However the head's peers came and went."""
    peers = tuple(f"{KEYS[0]} 10.77.0.{number}/32" for number in taken)
    found = Tunnel(address="10.77.0.1/28", port=51820, peers=peers)
    _, worker = addresses(Call(network="10.77.0.0/28", endpoint="h:1"), found, "")
    assert int(worker.split("/")[0].rpartition(".")[2]) not in taken | {0, 1, 15}
