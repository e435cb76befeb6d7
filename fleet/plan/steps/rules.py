"""Firewall rules as nftables and ufw write them themselves, so that what a host has can be compared line by line."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from fleet.model.stacksteps import FirewallStep

_PORTS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/(tcp|udp))?")
_LAST = 65535

# Before addresses are translated, so that ports which Docker publishes are closed to others as well. Only what is meant
# for the host itself is looked at; what it has begun to talk to goes on, and so do sessions that are open already.
_OPENING = ("fib daddr type != local accept", 'iif "lo" accept', "ct state established,related accept")

_TABLE = """\
table inet {table} {{
    chain guard {{
        type filter hook prerouting priority -150; policy accept;
        {rules}
    }}
}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Ports, both inclusive, of a protocol."""

    first: int
    last: int
    protocol: str

    def __str__(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first}-{self.last}"


def spans(step: FirewallStep) -> tuple[Span, ...]:
    """The step's ports. ValueError for what is none."""
    found = []
    for text in step.ports:
        match = _PORTS.fullmatch(text.strip())
        if match is None or not 1 <= int(match[1]) <= int(match[2] or match[1]) <= _LAST:
            raise ValueError(f"`{text[:40]}` is no port: expected one such as 8081, 20000-20299 or 51820/udp")
        found.append(Span(first=int(match[1]), last=int(match[2] or match[1]), protocol=match[3] or "tcp"))
    return tuple(dict.fromkeys(found))


def sources(step: FirewallStep) -> tuple[str, ...]:
    """The step's sources as the kernel writes them. ValueError for what is no address."""
    found = []
    for text in step.sources:
        try:
            network = ipaddress.ip_network(text.strip(), strict=False)
        except ValueError:
            raise ValueError(
                f"`{text[:60]}` is no address: expected one such as 10.0.0.2, 10.0.0.0/24 or fd00::2"
            ) from None
        found.append(str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network))
    return tuple(dict.fromkeys(found))


def nft_rules(step: FirewallStep) -> tuple[str, ...]:
    """The rules of the step's chain, in order, as `nft list` shows them."""
    allowed = [
        f"{'ip6' if ':' in source else 'ip'} saddr {source} {span.protocol} dport {span} accept"
        for source in sources(step)
        for span in spans(step)
    ]
    return (*_OPENING, *allowed, *(f"{span.protocol} dport {span} drop" for span in spans(step)))


def nft_table(table: str, step: FirewallStep) -> str:
    """The step's own table, in place of the one of that name, in one transaction."""
    whole = _TABLE.format(table=table, rules="\n        ".join(nft_rules(step)))
    return f"table inet {table} {{}}\ndelete table inet {table}\n{whole}"


def ufw_rules(step: FirewallStep) -> tuple[str, ...]:
    """The rules that let the sources in, as `ufw show added` shows them, without `ufw` and the comment."""
    return tuple(
        f"allow from {source} to any port {str(span).replace('-', ':')} proto {span.protocol}"
        for source in sources(step)
        for span in spans(step)
    )


def ufw_closing(step: FirewallStep) -> tuple[str, ...]:
    """The rules that keep everybody else out, likewise."""
    return tuple(f"deny {str(span).replace('-', ':')}/{span.protocol}" for span in spans(step))
