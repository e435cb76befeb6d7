"""Packages are installed at their versions, or are not; by apt or dnf, whichever the host has.

Undo: what was not there is removed again with the dependencies that came along and are of no other use, what was there
is put back at its version. Where somebody else's package needs it by now, nothing is removed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fleet.errors import ProvisionError
from fleet.model.hoststeps import PackageStep, Presence
from fleet.model.playbook import Change, Undo
from fleet.plan.shell.program import Answer
from fleet.plan.steps.fragments import SBIN, given, words

_PACKAGE = re.compile(r"([A-Za-z0-9][A-Za-z0-9+._-]*)(?:=([A-Za-z0-9.+:~^*_-]+))?")
_SEEN = re.compile(r"(have|none|left|brings) ([A-Za-z0-9][A-Za-z0-9+._:-]*)(?: ([A-Za-z0-9.+:~^_-]+))?")
_MANAGER = re.compile(r"manager (apt|dnf)")

# `left`: removed, but its configuration is still there. What an installation would bring is
# asked by a simulation, which needs no root and no network.
_QUESTION = """\
if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then manager=apt
elif command -v dnf >/dev/null && command -v rpm >/dev/null; then manager=dnf
else echo 'manager none'; exit 1
fi
echo "manager $manager"
set -f
wrong=
for wanted in $packages; do
    package=${wanted%%=*}
    version='*'
    case $wanted in *=*) version=${wanted#*=} ;; esac
    found=
    if [ "$manager" = apt ]; then
        seen=$(dpkg-query -W -f='${db:Status-Abbrev}${Version}\\n' -- "$package" 2>/dev/null | head -n 1)
        case $seen in
        ?i*) found=${seen#???} ;;
        ?c*) echo "left $package" ;;
        esac
    elif seen=$(rpm -q --qf '%{VERSION}-%{RELEASE}\\n' -- "$package" 2>/dev/null); then
        found=${seen%%[!A-Za-z0-9.+:~^_-]*}
    fi
    if [ -n "$found" ]; then echo "have $package $found"; else echo "none $package"; fi
    # shellcheck disable=SC2254 # the version is a pattern
    case $state:$found in
    present:) wrong=y ;;
    present:*) case $found in $version | $version-*) ;; *) wrong=y ;; esac ;;
    absent:?*) wrong=y ;;
    esac
done
[ -z "$wrong" ] && exit 0
if [ "$state:$manager" = present:apt ]; then
    # shellcheck disable=SC2086 # words
    apt-get -s -q --no-install-recommends --allow-downgrades install -- $packages 2>/dev/null |
        awk '$1 == "Inst" && $3 !~ /^\\[/ { print "brings", $2 }' | head -n 500
fi
exit 1
"""
_APT = """\
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
apt() {
    briefly apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold "$@"
}
"""
_APT_INSTALL = """\
apt install --no-install-recommends --allow-downgrades -- {packages} || {{
    # The lists may be old, or there may be none.
    apt update && apt install --no-install-recommends --allow-downgrades -- {packages}
}}
"""
_APT_REMOVE = """\
idle() {{ apt-get -s -q autoremove | awk '$1 == "Remv" {{ print $2 }}'; }}
set --
for package in {packages}; do
    if dpkg-query -W -- "$package" >/dev/null 2>&1; then set -- "$@" "$package"; fi
done
idle_before=$(idle) || exit 1
if [ $# -gt 0 ]; then
    # Nobody else's package may go along.
    others=$(apt-get -s -q {verb} -- "$@" | awk -v ours={ours} '
        BEGIN {{ split(ours, list, " "); for (i in list) known[list[i]] = 1 }}
        ($1 == "Remv" || $1 == "Purg") && !($2 in known) {{ print $2 }}') || exit 1
    if [ -n "$others" ]; then
        printf 'these need it, so it stays:\\n%s\\n' "$others" | head -n 20
        exit 1
    fi
    apt {verb} -- "$@" || exit 1
fi
"""
# What nobody needs any more since the removal, or was foreseen to come along, and was not there before the step.
_APT_UNBRING = """\
ours={ours}
set --
for package in $(idle); do
    case " $ours " in
    *" $package "*) ;;
    *) case " $(printf '%s' "$idle_before" | tr '\\n' ' ') " in *" $package "*) continue ;; esac ;;
    esac
    grep -qxF -e "$package" -- "$kept/packages" || set -- "$@" "$package"
done
[ $# -eq 0 ] || apt purge -- "$@" || exit 1
"""
KEEP = """\
if command -v dpkg-query >/dev/null; then
    dpkg-query -W -f='${Package}\\n' >"$kept/packages" || exit 1
fi
"""
"""Keeps what `remove` with `came` needs to know."""
_DNF_REMOVE = """\
set --
for package in {packages}; do
    if rpm -q -- "$package" >/dev/null 2>&1; then set -- "$@" "$package"; fi
done
# rpm alone refuses what somebody else's package needs; dnf takes along what it had brought itself for these.
if [ $# -gt 0 ]; then
    briefly rpm -e --test -- "$@" && briefly dnf -q -y remove -- "$@"
fi
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What a host told: versions of what is installed, what is not, what left its configuration, what would come."""

    manager: str
    have: dict[str, str]
    none: tuple[str, ...]
    left: tuple[str, ...]
    brings: tuple[str, ...]


def question(step: PackageStep) -> str:
    """Says the manager, then `have NAME VERSION`, `none NAME`, `left NAME`, and `brings NAME` for what would come."""
    if not step.packages:
        raise ValueError("`packages` is empty")
    for package in step.packages:
        found = _PACKAGE.fullmatch(package)
        if found is None:
            raise ValueError(
                f"`{package[:60]}` is no package: expected a name, perhaps with its version, as in jq=1.6*"
            )
        if found[2] and step.state is Presence.ABSENT:
            raise ValueError(f"`{package[:60]}`: a package that is to be absent has no version")
    return SBIN + given({"state": step.state, "packages": " ".join(step.packages)}) + _QUESTION


def change(step: PackageStep, answer: Answer) -> Change:
    """Install what is missing, or remove what is there. ProvisionError on a host with neither apt nor dnf."""
    seen = _read(answer)
    if step.state is Presence.ABSENT:
        names = tuple(seen.have)
        return Change(summary=f"remove {', '.join(names)}", script=remove(seen.manager, names, names, "remove"))
    open_ = [package for package in step.packages if _is_open(package, seen)]
    extra = set(seen.brings) - {_name(package) for package in step.packages}
    more = f" (and {len(extra)} more that they need)" if extra else ""
    return Change(
        summary=f"install {', '.join(_told(package, seen) for package in open_)}{more}",
        script=install(seen.manager, tuple(open_)),
    )


def undo(step: PackageStep, answer: Answer) -> Undo:
    """Remove what came, put back what went or had another version."""
    seen = _read(answer)
    back = tuple(f"{name}={version}" for name, version in seen.have.items() if _is_open_name(step, name, seen))
    came = () if step.state is Presence.ABSENT else seen.none
    script = install(seen.manager, back) if back else ""
    if came:
        ours = tuple(dict.fromkeys([*came, *seen.brings]))
        # A package's configuration goes with it, unless it was there before the package came.
        verb = "remove" if set(came) & set(seen.left) else "purge"
        script += remove(seen.manager, came, ours, verb, came=True)
    return Undo(script=script, keep=KEEP if came else "")


def _read(answer: Answer) -> _Seen:
    lines = answer.text.splitlines()
    manager = _MANAGER.fullmatch(lines[0]) if lines else None
    if manager is None:
        raise ProvisionError("the host has neither apt nor dnf", hint="install the packages yourself")
    found = [match for line in lines[1:] if (match := _SEEN.fullmatch(line))]

    def named(word: str) -> tuple[str, ...]:
        return tuple(match[2] for match in found if match[1] == word)

    have = {match[2]: match[3] or "" for match in found if match[1] == "have"}
    return _Seen(manager=manager[1], have=have, none=named("none"), left=named("left"), brings=named("brings"))


def _name(package: str) -> str:
    return package.partition("=")[0]


def _is_open(package: str, seen: _Seen) -> bool:
    name, _, version = package.partition("=")
    pattern = re.escape(version or "*").replace(r"\*", ".*")
    return name not in seen.have or not re.fullmatch(f"{pattern}(-.*)?", seen.have[name])


def _is_open_name(step: PackageStep, name: str, seen: _Seen) -> bool:
    if step.state is Presence.ABSENT:
        return True
    return any(_name(package) == name and _is_open(package, seen) for package in step.packages)


def _told(package: str, seen: _Seen) -> str:
    """`jq`, or `jq 1.6* instead of 1.5`."""
    name, _, version = package.partition("=")
    instead = f" instead of {seen.have[name]}" if name in seen.have else ""
    return f"{name} {version}".strip() + instead


def install(manager: str, packages: tuple[str, ...]) -> str:
    """Shell text that installs packages, pins as in `jq=1.6*`; its status is the manager's."""
    if manager == "apt":
        return SBIN + _APT + _APT_INSTALL.format(packages=words(packages))
    return f"{SBIN}briefly dnf -q -y install -- {words(package.replace('=', '-', 1) for package in packages)}\n"


def remove(manager: str, packages: tuple[str, ...], ours: tuple[str, ...], verb: str, *, came: bool = False) -> str:
    """Shell text that removes packages, unless one that is not among `ours` needs them. `verb`: `remove` or `purge`.

    `came`: what came with them, after `KEEP` was run, and is of no other use goes, too.
    """
    if manager == "apt":
        script = _APT_REMOVE.format(packages=words(packages), ours=words([" ".join(ours)]), verb=verb)
        return SBIN + _APT + script + (_APT_UNBRING.format(ours=words([" ".join(ours)])) if came else "")
    # dnf takes along what it had brought itself, and nothing that was asked for.
    return SBIN + _DNF_REMOVE.format(packages=words(packages))
