"""By which IP address a host is known to the others: Ray wants numbers where inventories have names."""

from __future__ import annotations

import ipaddress
import socket
from contextlib import suppress

_ANYWHERE = "192.0.2.1"
"""An address of TEST-NET-1 (RFC 5737): only the route that would be taken is asked for, nothing is sent."""


def own_ip(address: str, towards: str = _ANYWHERE) -> str:
    """This host's own IPv4 address, from what the inventory calls it. OSError where that is no name that resolves.

    Many systems resolve their own name to a loopback address, where nobody else finds them; then it is the address
    from which `towards` would be reached.
    """
    if _number(address):
        return address
    found = socket.gethostbyname(address)
    if not ipaddress.ip_address(found).is_loopback:
        return found
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((towards, 9))
        own: str = probe.getsockname()[0]
        return own


def ip(address: str) -> str:
    """Another host's IPv4 address. OSError where it is no name that resolves."""
    return address if _number(address) else socket.gethostbyname(address)


def _number(address: str) -> bool:
    with suppress(ValueError):
        ipaddress.ip_address(address)
        return True
    return False
