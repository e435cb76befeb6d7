"""A WireGuard interface is up, with its address and its peers.

The private key is made on the host, in a file that only root can read, and never leaves it; the public one lies beside
it (`/etc/wireguard/NAME.pub`). A peer is given by its key or, where it is a host of the inventory, by its name: then
the keys are made first (`keying`), on every host, and gathered, and each name has its key (`keyed`) before a host is
asked. A peer whose key is the host's own is left out, so that one list serves the whole fleet.

Undo: the interface goes, or is as it was; a key that was made for it goes too.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Mapping
from dataclasses import replace

from fleet.errors import ProvisionError
from fleet.model.playbook import Change, ScriptStep, Undo
from fleet.model.stacksteps import WireguardStep
from fleet.plan.shell.program import Answer
from fleet.plan.shell.quoting import tame
from fleet.plan.steps.fragments import KEEP, PUT_BACK, SBIN, WRITE, count, given

FOLDER = "/etc/wireguard"
"""Where `wg-quick` looks."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,15}")
_KEY = re.compile(r"[A-Za-z0-9+/]{42}[AEIMQUYcgkosw480]=")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_ENDPOINT = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}")

# The configuration without a key in it, and the peers as `wg show` would list them.
_EXPECTED = """\
own=$(cat -- "$folder/$interface.pub" 2>/dev/null)
others=$(printf '%s\\n' "$peers" | awk -v own="$own" 'NF && $1 != own')
config=$(
    printf '[Interface]\\nAddress = %s\\nListenPort = %s\\n' "$address" "$port"
    printf 'PostUp = wg set %%i private-key %s/%%i.key\\n' "$folder"
    printf '%s\\n' "$others" | awk 'NF {
        printf "\\n[Peer]\\nPublicKey = %s\\nAllowedIPs = %s\\nPersistentKeepalive = 25\\n", $1, $2
        if ($3 != "") print "Endpoint = " $3
    }'
)
"""
_QUESTION = """\
if ! command -v wg >/dev/null || ! command -v wg-quick >/dev/null; then echo 'tools none'; echo 'live down'; exit 1; fi
if [ ! -d "$folder" ]; then key=none
elif [ ! -x "$folder" ] || [ ! -r "$folder" ]; then echo 'tools forbidden'; exit 1
elif [ -s "$folder/$interface.key" ]; then key=there
else key=none
fi
wrong=
[ "$key" = there ] || wrong=y
[ "$(cat -- "$folder/$interface.conf" 2>/dev/null)" = "$config" ] || wrong=y
live=down
if seen=$(wg show "$interface" public-key 2>/dev/null); then
    live=up
    # Allowed networks and keys, in any order.
    has=$(wg show "$interface" allowed-ips | tr '\\t' ' ' | sort)
    wants=$(printf '%s\\n' "$others" | awk 'NF { gsub(",", " ", $2); print $1, $2 }' | sort)
    [ "$has" = "$wants" ] && [ "$seen" = "$own" ] || live=other
    [ "$(wg show "$interface" listen-port)" = "$port" ] || live=other
    ip -o addr show dev "$interface" | grep -qF " $address " || live=other
fi
[ "$live" = up ] || wrong=y
[ -z "$wrong" ] && exit 0
echo "key $key"
echo "live $live"
echo "config $([ -e "$folder/$interface.conf" ] && echo there || echo none)"
exit 1
"""
_KEYS = """\
if ! command -v wg >/dev/null || ! command -v wg-quick >/dev/null; then
    echo 'there is no wg and wg-quick: install wireguard-tools by a package step before this one'; exit 1
fi
umask 077
mkdir -p -- "$folder" || exit 1
if [ ! -s "$folder/$interface.key" ]; then
    part=$folder/$interface.key.part
    wg genkey >"$part" && mv -f -- "$part" "$folder/$interface.key" || exit 1
fi
public=$(wg pubkey <"$folder/$interface.key") && write_file "$folder/$interface.pub" 0644 "$public
" || exit 1
"""
# wg-quick makes routes for peers' networks outside of the interface's own: where there are none, peers can come and go
# while the others go on. `wg syncconf` takes the key away that it is not told, and PostUp is wg-quick's.
_ROUTED = """\
# routed: whether peers' networks have routes of their own.
routed() {
    { ip route show dev "$interface"; ip -6 route show dev "$interface"; } 2>/dev/null | grep -qv 'proto kernel'
}
"""
_PEERS = """\
# peers_only CONFIG: whether it differs from what is up in its peers at most.
peers_only() {
    seen=$(wg show "$interface" public-key 2>/dev/null) || return 1
    [ "$seen" = "$(wg pubkey <"$folder/$interface.key")" ] || return 1
    [ "$(wg show "$interface" listen-port)" = "$port" ] || return 1
    ip -o addr show dev "$interface" | grep -qF " $address " || return 1
    ours=$(printf '%s\\n' "$1" | sed '/^\\[Peer\\]/,$d')
    [ "$ours" = "$(sed '/^\\[Peer\\]/,$d' "$folder/$interface.conf")" ] || return 1
    ! routed
}
sync_peers() {
    {
        printf '[Interface]\\nPrivateKey = '
        cat -- "$folder/$interface.key"
        wg-quick strip "$folder/$interface.conf"
    } | wg syncconf "$interface" /dev/stdin
}
"""
_UP = """\
if [ -n "$near" ] && peers_only "$config"; then
    write_file "$folder/$interface.conf" 0600 "$config
" && sync_peers || exit 1
else
    # Down by the configuration that brought it up.
    if ip link show dev "$interface" >/dev/null 2>&1; then
        briefly wg-quick down "$folder/$interface.conf" || briefly ip link del dev "$interface" || exit 1
    fi
    write_file "$folder/$interface.conf" 0600 "$config
" || exit 1
    briefly wg-quick up "$folder/$interface.conf" || exit 1
fi
if [ -d /run/systemd/system ]; then briefly systemctl enable "wg-quick@$interface" || exit 1; fi
"""
_KEEP = """\
for kind in key pub conf; do keep_file "$kind" "$folder/$interface.$kind" || exit 1; done
if ip link show dev "$interface" >/dev/null 2>&1; then
    : >"$kept/up"
    routed || : >"$kept/near"
fi
"""
_BACK = """\
if [ -e "$kept/near" ] && cmp -s "$kept/key" "$folder/$interface.key" && peers_only "$(cat -- "$kept/conf")"; then
    put_back conf "$folder/$interface.conf" && sync_peers || exit 1
    exit 0
fi
if ip link show dev "$interface" >/dev/null 2>&1; then
    briefly wg-quick down "$folder/$interface.conf" || briefly ip link del dev "$interface" || exit 1
fi
for kind in key pub conf; do put_back "$kind" "$folder/$interface.$kind" || exit 1; done
if [ -e "$kept/up" ] && [ -e "$kept/conf" ]; then briefly wg-quick up "$folder/$interface.conf" || exit 1
elif [ -d /run/systemd/system ]; then systemctl disable "wg-quick@$interface" >/dev/null 2>&1
fi
exit 0
"""


def question(step: WireguardStep) -> str:
    """Says `tools none`, or whether there is a key, and whether the interface is `up`, `down` or `other`.

    Says `nameless HOST` instead, where the key of a host that is a peer is not known.
    """
    if not _NAME.fullmatch(step.interface):
        raise ValueError(f"`{step.interface[:20]}` is no interface: expected up to 15 letters and digits")
    if "/" not in step.address:
        raise ValueError(f"`{step.address[:40]}`: expected an address with its network's length, as in 10.77.0.1/24")
    try:
        ipaddress.ip_interface(step.address)
    except ValueError:
        raise ValueError(f"`{step.address[:40]}` is no address: expected one such as 10.77.0.1/24") from None
    if not 1 <= step.port <= 65535:  # noqa: PLR2004 (ports end there)
        raise ValueError(f"{step.port} is no port")
    values = _values(step)
    if unknown := named(step):
        return f"echo {shlex.quote(f'nameless {unknown[0]}')}\nexit 1\n"
    return values + _EXPECTED + _QUESTION


def named(step: WireguardStep) -> tuple[str, ...]:
    """The hosts that are peers by their names, their keys not yet in place of these."""
    firsts = (peer.split()[0] for peer in step.peers if peer.split())
    return tuple(first for first in firsts if not _KEY.fullmatch(first))


def keyed(step: WireguardStep, keys: Mapping[str, str]) -> WireguardStep:
    """The step with the public keys of hosts in place of their names, as far as they are known."""
    split = (peer.split() for peer in step.peers)
    peers = tuple(" ".join([keys.get(parts[0], parts[0]), *parts[1:]]) if parts else "" for parts in split)
    return replace(step, peers=peers)


def keying(step: WireguardStep) -> ScriptStep:
    """The step that makes the host's key, if it has none. The interface may be a variable that is still open."""
    head = f"interface={step.interface}\nfolder={FOLDER}\n"
    return ScriptStep(
        name=f"{step.name}: a key",
        unless=f'{head}[ -s "$folder/$interface.key" ] && [ -s "$folder/$interface.pub" ]',
        run=SBIN + head + WRITE + _KEYS,
        undo=f'{head}rm -f -- "$folder/$interface.key" "$folder/$interface.pub"',
        tags=step.tags,
        sudo=step.sudo,
    )


def public_key(interface: str) -> str:
    """Shell text that says an interface's public key, where it has one."""
    return f"cat -- {FOLDER}/{shlex.quote(interface)}.pub\n"


def is_key(text: str) -> bool:
    """Whether a host has said a public key."""
    return _KEY.fullmatch(text) is not None


def change(step: WireguardStep, answer: Answer) -> Change:
    """Make a key, write the configuration, bring the interface up. ProvisionError where only root could say."""
    found = dict(line.split(" ", 1) for line in answer.text.splitlines() if " " in line)
    if unknown := found.get("nameless"):
        hint = "it did not answer, or has no key yet: provision it together with this one, or take it out of `peers`"
        raise ProvisionError(f"the public key of {tame(unknown, 64)} is not known", hint=hint)
    if found.get("tools") == "forbidden":
        raise ProvisionError("WireGuard's files can be seen by root only", hint="set `sudo: true` for the host's login")
    if "live" not in found:
        raise ProvisionError("WireGuard does not answer as it should", hint=tame(answer.text, 200) or None)
    start = "make a key and " if found.get("key") != "there" else ""
    verb = "bring up" if found["live"] == "down" else "change"
    own = f"{step.interface} as {step.address} with {count(len(step.peers), 'peer')}"
    near = f"near={'y' if _near(step) else ''}\n"
    return Change(
        summary=f"{start}{verb} {own}", script=_values(step) + near + WRITE + _KEYS + _EXPECTED + _ROUTED + _PEERS + _UP
    )


def undo(step: WireguardStep, answer: Answer) -> Undo:
    """Take the interface down, put back configuration and keys, bring up what was up."""
    del answer
    return Undo(script=_values(step) + PUT_BACK + _ROUTED + _PEERS + _BACK, keep=_values(step) + KEEP + _ROUTED + _KEEP)


def _near(step: WireguardStep) -> bool:
    """Whether every peer's networks lie within the interface's own, so that none has a route of its own."""
    own = ipaddress.ip_interface(step.address).network
    theirs = [ipaddress.ip_network(one) for peer in step.peers for one in _peer(peer).split()[1].split(",")]
    return all(one.version == own.version and one[0] in own and one.broadcast_address in own for one in theirs)


def _peer(text: str) -> str:
    """`KEY NETWORK[,NETWORK] [HOST:PORT]` as WireGuard writes its parts. ValueError for another shape."""
    parts = text.split()
    if len(parts) not in {2, 3} or not (_KEY.fullmatch(parts[0]) or _HOST.fullmatch(parts[0])):
        expected = "a public key or a host's name, its networks, and perhaps its host:port"
        raise ValueError(f"`{text[:60]}` is no peer: expected {expected}")
    try:
        networks = [str(ipaddress.ip_network(one)) for one in parts[1].split(",")]
    except ValueError:
        raise ValueError(f"`{parts[1][:60]}` is no list of networks: expected one such as 10.77.0.2/32") from None
    if len(parts) == 3 and not _ENDPOINT.fullmatch(parts[2]):  # noqa: PLR2004 (key, networks, endpoint)
        raise ValueError(f"`{parts[2][:60]}` is no endpoint: expected host:port")
    return " ".join([parts[0], ",".join(networks), *parts[2:]])


def _values(step: WireguardStep) -> str:
    return SBIN + given(
        {
            "interface": step.interface,
            "address": step.address,
            "port": str(step.port),
            "folder": FOLDER,
            "peers": "\n".join(_peer(peer) for peer in step.peers),
        }
    )
