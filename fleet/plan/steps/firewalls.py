"""Ports are open to the fleet's own hosts and to nobody else; the rest of the host's firewall stays as it is.

With nftables the step has a table of its own, which says nothing about any other port and is loaded again at the next
start where systemd runs the host. Where ufw is in force it drops what it was not told of, so it is told of the sources,
under a comment of the step's own. What is the step's own is all that an undo takes away. SSH's ports are refused.
"""

from __future__ import annotations

import hashlib
import re

from fleet.errors import ProvisionError
from fleet.model.playbook import Change, Undo
from fleet.model.stacksteps import FirewallStep
from fleet.plan.shell.program import Answer
from fleet.plan.steps.fragments import KEEP, PUT_BACK, SBIN, WRITE, count, given
from fleet.plan.steps.rules import nft_rules, nft_table, sources, spans, ufw_closing, ufw_rules

_UNIT = """\
[Unit]
Description=Firewall rules that fleet keeps
Before=network-pre.target
Wants=network-pre.target
ConditionPathExistsGlob=/etc/fleet/firewall-*.nft

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'for rules in /etc/fleet/firewall-*.nft; do nft -f "$rules" || exit 1; done'

[Install]
WantedBy=multi-user.target
"""
_UNIT_FILE = "/etc/systemd/system/fleet-firewall.service"

# Where sshd listens: as its configuration has it, and the port of this very session.
_SSH = """\
for port in 22 $(sshd -T 2>/dev/null | awk '$1 == "port" { print $2 }') ${SSH_CONNECTION:+${SSH_CONNECTION##* }}; do
    for span in $spans; do
        if [ "$port" -ge "${span%-*}" ] && [ "$port" -le "${span#*-}" ]; then echo "ssh $port"; exit 1; fi
    done
done
"""
_UFW_ACTIVE = """\
ufw=none
if command -v ufw >/dev/null; then
    case $(ufw status 2>/dev/null) in 'Status: active'*) ufw=active ;; *) ufw=inactive ;; esac
fi
case $wall in
auto) use_ufw=$ufw ;;
ufw) use_ufw=$ufw; [ "$ufw" = active ] || { echo "ufw $ufw"; exit 1; } ;;
nftables) use_ufw=none ;;
esac
use_nft=n
if [ "$wall" != ufw ]; then
    if command -v nft >/dev/null; then use_nft=y
    elif [ "$use_ufw" != active ]; then echo 'nft none'; echo "use y $use_ufw"; exit 1
    fi
fi
"""
_QUESTION = """\
wrong=
if [ "$use_nft" = y ]; then
    live=$(nft list table inet "$table" 2>&1) || case $live in
    *ermitted*) echo 'nft forbidden'; exit 1 ;;
    esac
    live=$(printf '%s\\n' "$live" | sed -n 's/^[[:blank:]]*//; /^\\(fib\\|iif\\|ct\\|ip\\|ip6\\|tcp\\|udp\\) /p')
    if [ "$live" != "$rules" ]; then echo "live $(printf '%s' "$live" | grep -c .)"; wrong=y; fi
    if [ "$(cat -- "$file" 2>/dev/null)" != "$loaded" ]; then echo 'saved no'; wrong=y; fi
    if [ -d /run/systemd/system ] && ! systemctl is-enabled -q fleet-firewall.service 2>/dev/null; then
        echo 'unit no'; wrong=y
    fi
fi
if [ "$use_ufw" = active ]; then
    added=$(ufw show added 2>/dev/null | sed -n "s/^ufw \\(.*\\) comment '$mark'\\$/\\1/p" | sort)
    case $use_nft in y) expected=$allow ;; *) expected="$allow
$deny" ;; esac
    if [ "$added" != "$(printf '%s\\n' "$expected" | sort)" ]; then
        echo "ufw $(printf '%s' "$added" | grep -c .)"; wrong=y
    fi
fi
[ -z "$wrong" ] && exit 0
echo "use $use_nft $use_ufw"
exit 1
"""
_LOAD = """\
mkdir -p -- "${file%/*}" && write_file "$file" 0644 "$loaded
" && briefly nft -f "$file" || exit 1
if [ -d /run/systemd/system ]; then
    write_file "$unit_file" 0644 "$unit" && briefly systemctl daemon-reload &&
        briefly systemctl enable fleet-firewall.service || exit 1
fi
"""
# ufw takes a rule away by its number only where the rules of both families look alike; by its text it is exact.
_UFW_CLEAR = """\
ufw show added 2>/dev/null | sed -n "s/^ufw \\(.*\\) comment '$mark'\\$/\\1/p" |
    while IFS= read -r rule; do
        # shellcheck disable=SC2086 # words
        briefly ufw delete $rule || exit 1
    done || exit 1
"""
_UFW_ADD = """\
add() { # VERB RULES: one rule a line
    printf '%s\\n' "$2" | while IFS= read -r rule; do
        # shellcheck disable=SC2086 # words
        briefly ufw $1 $rule comment "$mark" || exit 1
    done || exit 1
}
"""
_UNLOAD = """\
nft delete table inet "$table" 2>/dev/null
put_back rules "$file" || exit 1
if [ -f "$file" ]; then briefly nft -f "$file" || exit 1; fi
rmdir -- "${file%/*}" 2>/dev/null
if ! ls /etc/fleet/firewall-*.nft >/dev/null 2>&1 && [ -f "$unit_file" ]; then
    systemctl disable fleet-firewall.service >/dev/null 2>&1
    rm -f -- "$unit_file"
    systemctl daemon-reload >/dev/null 2>&1
fi
exit 0
"""
_UFW_KEEP = """\
ufw show added 2>/dev/null | sed -n "s/^ufw \\(.*\\) comment '$mark'\\$/\\1/p" >"$kept/ufw"
"""
_UFW_BACK = """\
while IFS= read -r rule; do
    case $rule in
    allow*) verb=prepend ;;
    *) verb= ;;
    esac
    # shellcheck disable=SC2086 # words
    briefly ufw $verb $rule comment "$mark" </dev/null || exit 1
done <"$kept/ufw" || exit 1
"""


def question(step: FirewallStep) -> str:
    """Says `ssh PORT` (refused), what is missing to have rules at all, or how many there are and who holds them."""
    if not step.sources or not step.ports:
        raise ValueError("`sources` or `ports` is empty")
    return _values(step) + _SSH + _UFW_ACTIVE + _QUESTION


def change(step: FirewallStep, answer: Answer) -> Change:
    """Load the rules. ProvisionError where they would close SSH, and where the host has no firewall to load them in."""
    lines = answer.text.splitlines()
    word, _, value = (lines or [""])[0].partition(" ")
    if word == "ssh":
        raise ProvisionError(
            f"port {value[:5]} is SSH's: closing it would lock fleet out", hint="leave it out of `ports`"
        )
    if (word, value) == ("nft", "forbidden"):
        raise ProvisionError(
            "the host's firewall can be seen by root only", hint="set `sudo: true` for the host's login"
        )
    use = next((line.split() for line in lines if re.fullmatch(r"use [yn] (active|inactive|none)", line)), None)
    if use is None:
        hint = "`ufw allow OpenSSH && ufw enable` on the host, or write `wall: nftables`"
        raise ProvisionError("ufw is not in force on the host", hint=hint)
    script, holders = _values(step) + WRITE, []
    if use[1] == "y":
        holders.append("nftables")
        script += given({"unit": _UNIT}) + _LOAD
    if use[2] == "active":
        holders.append("ufw")
        script += _UFW_CLEAR + _UFW_ADD + 'add prepend "$allow"\n' + ("" if use[1] == "y" else 'add "" "$deny"\n')
    ports = ", ".join(str(span) + ("" if span.protocol == "tcp" else "/udp") for span in spans(step))
    own = f"open {ports} to {count(len(sources(step)), 'source')} and close them to others"
    diff = "".join(f"+{rule}\n" for rule in nft_rules(step)[3:])
    return Change(summary=f"{own} ({' and '.join(holders)})", script=script, diff=diff)


def undo(step: FirewallStep, answer: Answer) -> Undo:
    """Take away what is the step's own, and put back what was the step's own before."""
    use = re.search(r"(?m)^use ([yn]) (active|inactive|none)$", answer.text)
    if use is None:
        return Undo(script=None, reason="nothing could be changed")
    keep = script = _values(step)
    if use[2] == "active":
        keep += _UFW_KEEP
        script += _UFW_CLEAR + _UFW_BACK
    if use[1] == "y":
        keep += KEEP + 'keep_file rules "$file" || exit 1\n'
        script += PUT_BACK + _UNLOAD
    return Undo(script=script, keep=keep)


def _values(step: FirewallStep) -> str:
    own = hashlib.sha256(step.name.encode()).hexdigest()[:8]
    table = f"fleet_{own}"
    return SBIN + given(
        {
            "wall": step.wall,
            "table": table,
            "mark": f"fleet {own}",
            "file": f"/etc/fleet/firewall-{own}.nft",
            "unit_file": _UNIT_FILE,
            "spans": " ".join(f"{span.first}-{span.last}" for span in spans(step) if span.protocol == "tcp"),
            "rules": "\n".join(nft_rules(step)),
            "loaded": nft_table(table, step).rstrip("\n"),
            "allow": "\n".join(ufw_rules(step)),
            "deny": "\n".join(ufw_closing(step)),
        }
    )
