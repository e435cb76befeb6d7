"""PURE. What the survey asks a host, and how its answers are read. No answer = None; nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from fleet.model.facts import Facts
from fleet.model.inventory import Host
from fleet.plan.checkup.interpreter import ask_python, base_python, read_python, venv_of
from fleet.plan.shell.program import Answer, Piece, answers, program
from fleet.plan.shell.quoting import path, tame

TEXT_LIMIT = 200
"""Characters of a fact that is free text, such as a CPU's name."""
GPU_LIMIT = 64
"""GPUs of one host that are listed."""

# Linux tells in files what elsewhere a program must be asked; a shell reads a file without starting one.
_QUESTIONS = {
    "system": r"""
if [ -r /proc/sys/kernel/ostype ]; then read -r name </proc/sys/kernel/ostype; else name=$(uname -s); fi
say "$name"
[ -r /etc/os-release ] || return 0
while IFS= read -r line; do
    case $line in PRETTY_NAME=*) line=${line#*=}; line=${line#\"}; say "${line%\"}" ;; esac
done </etc/os-release
""",
    "kernel": """
if [ -r /proc/sys/kernel/osrelease ]; then read -r release </proc/sys/kernel/osrelease; else release=$(uname -r); fi
say "$release"
""",
    "cpu": r"""
tries=16
[ -r /proc/cpuinfo ] && while [ "$tries" -gt 0 ] && IFS= read -r line; do
    case $line in "model name"*:*) line=${line#*:}; say "${line# }"; return 0 ;; esac
    tries=$((tries - 1))
done </proc/cpuinfo
aloud
lscpu 2>/dev/null | sed -n 's/^Model name: *//p'
""",
    # As nproc counts them: those that we may run on.
    "cores": """
list=
[ -r /proc/self/status ] && while read -r name list; do
    [ "$name" = Cpus_allowed_list: ] && break
    list=
done </proc/self/status
case $list in
'' | *[!0-9,-]*) ;;
*)
    count=0 list=$list,
    while [ -n "$list" ]; do
        range=${list%%,*} list=${list#*,}
        count=$((count + ${range#*-} - ${range%-*} + 1))
    done
    say "$count"
    return 0 ;;
esac
count=$(nproc 2>/dev/null) || count=$(getconf _NPROCESSORS_ONLN) || return 1
say "$count"
""",
    "memory": r"""
[ -r /proc/meminfo ] && while read -r name size _; do
    case $name in MemTotal:) say "$size KiB"; return 0 ;; esac
done </proc/meminfo
size=$(sysctl -n hw.memsize) || return 1
say "$size"
""",
    "gpus": r"""
command -v nvidia-smi >/dev/null || return 0
aloud
set -- nvidia-smi --query-gpu=name,memory.total --format=csv,noheader
command -v timeout >/dev/null && set -- timeout 20 "$@"
briefly "$@"
""",
}
_DISK = """
folder={folder}
while [ ! -d "$folder" ]; do folder=$(dirname -- "$folder"); done
table=$(df -Pk -- "$folder") || return 1
say "$table"
"""
_DF_FREE = re.compile(r"\s[0-9]+\s+[0-9]+\s+([0-9]{1,15})\s+[0-9]+%\s")
_CORES = re.compile(r"[1-9][0-9]{0,5}\Z")
_MEMORY = re.compile(r"([1-9][0-9]{0,17})( KiB)?\Z")


def probe_script(host: Host, nonce: str, along: Sequence[Piece] = ()) -> str:
    """The shell program, for the stdin of `/bin/sh -s`, whose answers `parse_facts` reads. It needs no Python.

    `along`: what else is asked, afterwards.
    """
    asked = {"python": ask_python(host.python, ("ray", "fleet"))}
    if base := base_python(host.python, venv_of(host)):
        asked["base"] = ask_python(base, ())
    pieces = (*fact_pieces(host), *(Piece(label=label, text=text) for label, text in asked.items()), *along)
    return program(pieces, nonce, asks=True)


def fact_pieces(host: Host) -> tuple[Piece, ...]:
    """The questions that cost nearly nothing: all but those to the host's Python. They fit into any program."""
    asked = _QUESTIONS | {"disk": _DISK.format(folder=path(host.work_dir))}
    return tuple(Piece(label=label, text=text.strip(), plain=True) for label, text in asked.items())


def parse_facts(host: str, stdout: bytes, nonce: str) -> Facts:
    """What the host said. ValueError, in words for the operator, where answers are damaged or cores or memory missing.

    `python` is the version of the host's interpreter or, while fleet has yet to make it, of the one it is made from.
    """
    said = answers(stdout, nonce)
    if not said:
        raise ValueError("its /bin/sh answered nothing that can be read")
    python = read_python(said["python"].text) if "python" in said else None
    base = read_python(said["base"].text) if "base" in said else None
    return Facts(
        host=host,
        system=(_lines(said, "system") or ("unknown",))[-1],
        kernel=_first(said, "kernel") or "unknown",
        cpu_model=_first(said, "cpu"),
        cores=int(_needed(said, "cores", _CORES)[0]),
        memory=_memory(said),
        disk_free=_disk_free(said),
        python=next((found.version for found in (python, base) if found), None),
        ray=python.found.get("ray") if python else None,
        fleet=python.found.get("fleet") if python else None,
        gpus=_lines(said, "gpus")[:GPU_LIMIT],
    )


def _memory(said: Mapping[str, Answer]) -> int:
    found = _needed(said, "memory", _MEMORY)
    return int(found[1]) * (2**10 if found[2] else 1)


def _disk_free(said: Mapping[str, Answer]) -> int | None:
    found = _DF_FREE.search("\n".join((*_lines(said, "disk"), "")))
    return int(found[1]) * 2**10 if found else None


def _needed(said: Mapping[str, Answer], label: str, shape: re.Pattern[str]) -> re.Match[str]:
    line = _first(said, label)
    if line is None or (found := shape.match(line)) is None:
        raise ValueError(f"it does not say how much there is of {label}: {line or 'no answer'}")
    return found


def _first(said: Mapping[str, Answer], label: str) -> str | None:
    return next(iter(_lines(said, label)), None)


def _lines(said: Mapping[str, Answer], label: str) -> tuple[str, ...]:
    """The lines of an answer, fit to print; none where the question failed."""
    answer = said.get(label)
    if answer is None or answer.status != 0:
        return ()
    return tuple(line for line in (tame(raw)[:TEXT_LIMIT] for raw in answer.text.splitlines()) if line)
