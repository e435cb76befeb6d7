"""Docker Engine answers, Compose is there, NVIDIA's runtime is registered.

The engine's configuration is merged, never replaced: what others wrote there stays. A running engine reads it again
without a restart, so running containers do not notice.

Undo: packages that came go again (images and volumes stay), the engine's configuration is put back, an engine that
stood still is stopped.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from fleet.errors import ProvisionError
from fleet.model.playbook import Change, Undo
from fleet.model.stacksteps import DockerStep
from fleet.plan.shell.program import Answer
from fleet.plan.shell.quoting import tame
from fleet.plan.steps import packages
from fleet.plan.steps.files import difference
from fleet.plan.steps.fragments import AT_LEAST, KEEP, PUT_BACK, SBIN, WRITE, given

_VERSION = re.compile(r"[0-9]+(\.[0-9]+)*")
_CONFIG = "/etc/docker/daemon.json"
_LIMIT = 64 * 2**10
"""Bytes of the engine's configuration; a larger one is left alone."""

_QUESTION = """\
patiently() { if command -v timeout >/dev/null; then timeout 20 "$@"; else "$@"; fi; }
wrong=
engine=absent
if command -v docker >/dev/null && command -v dockerd >/dev/null; then
    if engine=$(patiently docker version --format '{{.Server.Version}}' 2>/dev/null) && [ -n "$engine" ]; then
        at_least "$engine" "$minimum" || wrong=y
    else engine=silent; wrong=y
    fi
else wrong=y
fi
compose=none
if seen=$(patiently docker compose version --short 2>/dev/null) && [ -n "$seen" ]; then compose="v2 $seen"
elif seen=$(patiently docker-compose version --short 2>/dev/null) && [ -n "$seen" ]; then compose="v1 $seen"
fi
if [ "$want_compose" = y ] && [ "$compose" = none ]; then wrong=y; fi
runtime=no
if [ "$want_nvidia" = y ]; then
    case $(patiently docker info --format '{{json .Runtimes}}' 2>/dev/null) in *'"nvidia"'*) runtime=yes ;; esac
    [ "$runtime" = yes ] || wrong=y
fi
[ -z "$wrong" ] && exit 0
echo "engine $engine"
echo "compose $compose"
echo "runtime $runtime"
has() { if command -v "$1" >/dev/null; then echo yes; else echo no; fi; }
echo "toolkit $(has nvidia-container-runtime)"
echo "ctk $(has nvidia-ctk)"
"""
# What this host's package lists call the things; the first that they know is taken.
_OFFERS = """\
known=none
offer() {
    for package in "$@"; do
        case $known in
        apt) [ -n "$(apt-cache show -- "$package" 2>/dev/null | head -n 1)" ] || continue ;;
        *) dnf -q -C info -- "$package" >/dev/null 2>&1 || continue ;;
        esac
        echo "$package"
        return
    done
}
if command -v apt-get >/dev/null; then known=apt; elif command -v dnf >/dev/null; then known=dnf; fi
echo "manager $known"
if [ "$known" != none ]; then
    missing=
    if [ "$engine" = absent ]; then missing="$missing $(offer docker.io moby-engine docker-ce)"; fi
    if [ "$want_compose$compose" = ynone ]; then
        missing="$missing $(offer docker-compose-v2 docker-compose-plugin docker-compose)"
    fi
    if [ "$want_nvidia$runtime$(has nvidia-container-runtime)" = ynono ]; then
        missing="$missing $(offer nvidia-container-toolkit)"
    fi
    # shellcheck disable=SC2086 # words
    set -- $missing
    for package in "$@"; do echo "needs $package"; done
    if [ "$known" = apt ] && [ $# -gt 0 ]; then
        apt-get -s -q --no-install-recommends install -- "$@" 2>/dev/null |
            awk '$1 == "Inst" && $3 !~ /^\\[/ { print "brings", $2 }' | head -n 500
    fi
fi
if [ ! -e "$config" ]; then echo 'config absent'
else echo 'config text'; head -c 65537 -- "$config"
fi
exit 1
"""
_START = """\
if [ -d /run/systemd/system ]; then briefly systemctl enable --now docker || exit 1
elif command -v service >/dev/null; then briefly service docker start || exit 1
fi
# Its socket comes a little later than it does.
tries=0
until docker version >/dev/null 2>&1 || [ "$tries" -ge 30 ]; do sleep 1; tries=$((tries + 1)); done
"""
_KEEP_BOOT = """\
if [ -d /run/systemd/system ] && systemctl is-enabled -q docker 2>/dev/null; then : >"$kept/enabled"; fi
"""
_STOP = """\
if [ -d /run/systemd/system ]; then
    briefly systemctl stop docker.socket docker.service || exit 1
    [ -e "$kept/enabled" ] || systemctl disable docker >/dev/null 2>&1
elif command -v service >/dev/null; then briefly service docker stop || exit 1
fi
tries=0
while docker version >/dev/null 2>&1 && [ "$tries" -lt 30 ]; do sleep 1; tries=$((tries + 1)); done
"""
_RELOAD = """\
if [ -d /run/systemd/system ]; then briefly systemctl reload docker || briefly systemctl restart docker || exit 1
elif [ -f /var/run/docker.pid ]; then kill -HUP "$(cat /var/run/docker.pid)"
fi
"""
_REGISTER = """\
mkdir -p -- "${config%/*}"
if command -v nvidia-ctk >/dev/null; then
    briefly nvidia-ctk runtime configure --runtime=docker --config="$config" || exit 1
else
    if [ "$(cat -- "$config" 2>/dev/null; echo .)" != "$old." ]; then echo "$config has changed meanwhile"; exit 1; fi
    write_file "$config" 0644 "$new" || exit 1
fi
"""
_SEE = """\
tries=0
until docker info --format '{{json .Runtimes}}' 2>/dev/null | grep -q '"nvidia"' || [ "$tries" -ge 10 ]; do
    sleep 1; tries=$((tries + 1))
done
"""
# A running engine forgets no runtime because the file, or the key in it, is gone: it has to be told that there is none.
_FORGET = """\
write_file "$config" 0644 "$former" || exit 1
"""
_UNSEE = """\
tries=0
while docker info --format '{{json .Runtimes}}' 2>/dev/null | grep -q '"nvidia"' && [ "$tries" -lt 10 ]; do
    sleep 1; tries=$((tries + 1))
done
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What the host told; `config` is the engine's configuration, None = there is none."""

    engine: str
    compose: str
    runtime: str
    toolkit: str
    ctk: str
    manager: str
    needs: tuple[str, ...]
    brings: tuple[str, ...]
    config: str | None


def question(step: DockerStep) -> str:
    """Says engine, Compose, runtime, tools and, where something is missing, the packages to install."""
    if not _VERSION.fullmatch(step.engine):
        raise ValueError(f"`{step.engine[:20]}` is no version: expected numbers such as 20.10")
    return _values(step) + AT_LEAST + _QUESTION + _OFFERS


def change(step: DockerStep, answer: Answer) -> Change:
    """Install, start, register. ProvisionError where no package is known, or the engine is too old."""
    seen = _read(answer)
    if _VERSION.match(seen.engine) and not _at_least(seen.engine, step.engine):
        raise ProvisionError(
            f"Docker Engine {tame(seen.engine, 40)} is older than {step.engine}", hint="upgrade it: its containers stop"
        )
    _refuse_unknown(step, seen)
    said, script = [], _values(step) + WRITE
    if seen.needs:
        said.append(f"install {', '.join(seen.needs)}")
        script += f"{{\n{packages.install(seen.manager, seen.needs)}}} || exit 1\n"
    if seen.engine in {"absent", "silent"}:
        said.append("start Docker Engine")
        script += _START
    diff = ""
    if step.nvidia and seen.runtime != "yes":
        said.append("register NVIDIA's runtime")
        old, new = seen.config or "", merged(seen.config)
        diff = "" if seen.ctk == "yes" else difference(old, new, _CONFIG)
        script += given({"old": old, "new": new}) + _REGISTER + _RELOAD + _SEE
    if not said:
        raise ProvisionError("Docker Engine does not answer as it should", hint=tame(answer.text, 200) or None)
    return Change(summary=" and ".join(said), script=script, diff=diff)


def undo(step: DockerStep, answer: Answer) -> Undo:
    """Put back the configuration, remove what came."""
    seen = _read(answer)
    keep = script = ""
    if step.nvidia and seen.runtime != "yes":
        keep = KEEP + 'keep_file config "$config" || exit 1\n'
        if _VERSION.match(seen.engine):
            script = given({"former": _without(seen.config)}) + WRITE + _FORGET + _RELOAD + _UNSEE
        script += PUT_BACK + 'put_back config "$config" || exit 1\n'
    if seen.needs:
        ours = tuple(dict.fromkeys([*seen.needs, *seen.brings]))
        # Removed, not purged: with its configuration an engine would take images and volumes along.
        script += packages.remove(seen.manager, seen.needs, ours, "remove", came=True)
        keep += packages.KEEP
    if seen.engine == "silent":
        keep += _KEEP_BOOT
        script += _STOP
    if not script:
        return Undo(script=None, reason="nothing could be changed")
    return Undo(script=_values(step) + script, keep=_values(step) + keep)


def _without(config: str | None) -> str:
    """The engine's former configuration, with the key `runtimes` in any case. ProvisionError where it is none."""
    former = json.loads(merged(config))
    del former["runtimes"]["nvidia"]
    return json.dumps(former, indent=4) + "\n"


def merged(config: str | None) -> str:
    """The engine's configuration with NVIDIA's runtime in it, all else as it was. ProvisionError where it is none."""
    try:
        found = json.loads(config) if config and config.strip() else {}
    except ValueError as error:
        raise ProvisionError(
            f"{_CONFIG} is no JSON: {error}", hint="repair it: Docker cannot read it, either"
        ) from None
    if not isinstance(found, dict) or not isinstance(found.setdefault("runtimes", {}), dict):
        raise ProvisionError(f"{_CONFIG} does not hold what Docker expects", hint="repair it")
    found["runtimes"]["nvidia"] = {"args": [], "path": "nvidia-container-runtime"}
    return json.dumps(found, indent=4, ensure_ascii=False) + "\n"


def _refuse_unknown(step: DockerStep, seen: _Seen) -> None:
    wanted = {
        "Docker Engine": seen.engine == "absent",
        "Docker Compose": step.compose and seen.compose == "none",
        "NVIDIA's container toolkit": step.nvidia and seen.runtime != "yes" and seen.toolkit == "no",
    }
    missing = [name for name, absent in wanted.items() if absent]
    if len(missing) > len(seen.needs):
        hint = "add the vendor's package repository, or install it yourself"
        raise ProvisionError(f"the host's packages do not offer all of: {', '.join(missing)}", hint=hint)


def _read(answer: Answer) -> _Seen:
    head, mark, config = answer.text.partition("config text\n")
    if len(config.encode()) > _LIMIT:
        raise ProvisionError(f"{_CONFIG} is too long to be merged", hint="register the runtime yourself")
    found: dict[str, str] = {}
    listed: dict[str, list[str]] = {"needs": [], "brings": []}
    for line in head.splitlines():
        word, _, value = line.partition(" ")
        if word in listed and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9+._:-]*", value):
            listed[word].append(value)
        found.setdefault(word, value)
    return _Seen(
        engine=found.get("engine", "silent"),
        compose=found.get("compose", "none"),
        runtime=found.get("runtime", "no"),
        toolkit=found.get("toolkit", "no"),
        ctk=found.get("ctk", "no"),
        manager=found.get("manager", "none"),
        needs=tuple(listed["needs"]),
        brings=tuple(listed["brings"]),
        config=config if mark else None,
    )


def _at_least(found: str, wanted: str) -> bool:
    def numbers(version: str) -> list[int]:
        return [int(part) for part in re.findall(r"[0-9]+", version)[:4]]

    return numbers(found) >= numbers(wanted)


def _values(step: DockerStep) -> str:
    return SBIN + given(
        {
            "minimum": step.engine,
            "want_compose": "y" if step.compose else "",
            "want_nvidia": "y" if step.nvidia else "",
            "config": _CONFIG,
        }
    )
