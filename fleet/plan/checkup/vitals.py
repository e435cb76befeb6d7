"""PURE. What the doctor asks a host beyond the survey, and how its answers are read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from fleet.model.checkup import Docker, Gpu, Sudo, Vitals
from fleet.plan.shell.program import Answer, Piece, answers, program
from fleet.plan.shell.quoting import tame

TEXT_LIMIT = 200
GPU_LIMIT = 64

_BOUNDED = """\
bounded() {
    command -v timeout >/dev/null && set -- timeout 20 "$@"
    briefly "$@"
}
"""
_QUESTIONS = {
    "user": "id -u",
    "privilege": """
command -v sudo >/dev/null || { echo missing; exit 0; }
bounded sudo -n true >/dev/null && echo free || echo locked
""",
    "available": "sed -n 's/^MemAvailable: *\\([0-9]*\\) kB$/\\1/p' /proc/meminfo",
    "shm": "df -Pk /dev/shm",
    # Newer drivers call throttling an event; a name that the driver does not know fails the whole question.
    "cards": """
command -v nvidia-smi >/dev/null || exit 127
reasons=clocks_throttle_reasons.active
nvidia-smi --help-query-gpu 2>/dev/null </dev/null | grep -q clocks_event_reasons.active \
    && reasons=clocks_event_reasons.active
fields=name,driver_version,memory.total,ecc.errors.uncorrected.volatile.total,$reasons
link=pcie.link.gen.current,pcie.link.width.current,pcie.link.gen.max,pcie.link.width.max
bounded nvidia-smi "--query-gpu=$fields,$link" --format=csv,noheader,nounits
""",
    "engine": """
command -v docker >/dev/null || exit 127
bounded docker version --format '{{.Server.Version}}'
""",
    "compose": "bounded docker compose version --short",
    "runtimes": "bounded docker info --format '{{json .Runtimes}}'",
}
_NOT_FOUND = 127
_GPU_FIELDS = 9
_VERSION = re.compile(r"v?([0-9][0-9A-Za-z.+~_-]{0,40})\Z")
_DF_FREE = re.compile(r"\s[0-9]+\s+[0-9]+\s+([0-9]{1,15})\s+[0-9]+%\s")
_NUMBER = re.compile(r"[0-9]{1,15}\Z")
_BITS = re.compile(r"0x[0-9a-fA-F]{1,16}\Z")


def vital_pieces() -> tuple[Piece, ...]:
    """The questions whose answers `parse_vitals` reads; they go along with the survey's in one program."""
    return tuple(Piece(label=label, text=_BOUNDED + text.strip()) for label, text in _QUESTIONS.items())


def vitals_script(nonce: str) -> str:
    """The shell program of these alone, for the stdin of `/bin/sh -s`."""
    return program(vital_pieces(), nonce)


def parse_vitals(stdout: bytes, nonce: str) -> Vitals:
    """What the host said. ValueError, in words for the operator, where its answers are damaged."""
    said = answers(stdout, nonce)
    if not said:
        raise ValueError("its /bin/sh answered nothing that can be read")
    gpus, gpu_problem = _gpus(said.get("cards"))
    return Vitals(
        sudo=_sudo(said),
        memory_available=_kib(_last(said, "available")),
        shared_memory=_shared_memory(said),
        gpus=gpus,
        gpu_problem=gpu_problem,
        docker=_docker(said),
    )


def _sudo(said: Mapping[str, Answer]) -> Sudo:
    if _last(said, "user") == "0":
        return Sudo.ROOT
    found = _last(said, "privilege")
    return Sudo(found) if found in {Sudo.FREE, Sudo.LOCKED, Sudo.MISSING} else Sudo.MISSING


def _shared_memory(said: Mapping[str, Answer]) -> int | None:
    found = _DF_FREE.search(f"{said['shm'].text}\n") if "shm" in said else None
    return _kib(found[1]) if found else None


def _kib(text: str | None) -> int | None:
    number = _number(text or "")
    return None if number is None else number * 2**10


def _gpus(answer: Answer | None) -> tuple[tuple[Gpu, ...], str | None]:
    """The GPUs, or what nvidia-smi complains about; neither where there is no nvidia-smi."""
    if answer is None or answer.status == _NOT_FOUND:
        return (), None
    if answer.status != 0:
        return (), _brief(answer.text) or "nvidia-smi failed and said nothing"
    lines = tame(answer.text, len(answer.text)).splitlines()
    rows = [[field.strip() for field in row.split(",")] for row in lines]
    gpus = tuple(_gpu(row) for row in rows if len(row) == _GPU_FIELDS)
    return gpus[:GPU_LIMIT], None if gpus else "nvidia-smi lists no GPU"


def _gpu(row: list[str]) -> Gpu:
    name, driver, memory, ecc, throttle, *link = row
    mebibytes = _number(memory)
    return Gpu(
        name=name[:TEXT_LIMIT],
        driver=driver[:TEXT_LIMIT],
        memory=None if mebibytes is None else mebibytes * 2**20,
        ecc=_number(ecc),
        throttle=int(throttle, 16) if _BITS.match(throttle) else None,
        link=_pair(link[0], link[1]),
        link_max=_pair(link[2], link[3]),
    )


def _pair(generation: str, lanes: str) -> tuple[int, int] | None:
    found = _number(generation), _number(lanes)
    return None if found[0] is None or found[1] is None else (found[0], found[1])


def _number(text: str) -> int | None:
    """A whole number; None for `[N/A]` and the like."""
    return int(text) if _NUMBER.match(text) else None


def _docker(said: Mapping[str, Answer]) -> Docker | None:
    answer = said.get("engine")
    if answer is None or answer.status == _NOT_FOUND:
        return None
    engine = _version(said, "engine")
    return Docker(
        engine=engine,
        compose=_version(said, "compose"),
        nvidia="nvidia" in _runtimes(said),
        problem=None if engine else _brief(answer.text) or "it said nothing",
    )


def _version(said: Mapping[str, Answer], label: str) -> str | None:
    found = _VERSION.match(_last(said, label) or "")
    return found[1] if found else None


def _runtimes(said: Mapping[str, Answer]) -> frozenset[str]:
    try:
        found = json.loads(_last(said, "runtimes") or "{}")
    except (ValueError, RecursionError):
        return frozenset()
    return frozenset(found) if isinstance(found, dict) else frozenset()


def _last(said: Mapping[str, Answer], label: str) -> str | None:
    """The last line of an answer: tools may warn before it. None where the question failed."""
    answer = said.get(label)
    if answer is None or answer.status != 0:
        return None
    return (tame(answer.text).splitlines() or [""])[-1].strip()


def _brief(text: str) -> str:
    return " ".join(tame(text).split())[-TEXT_LIMIT:]
