"""The settings of a deployment: asked of Compose itself, which alone knows what its env file means to it.

Env files are quoted in odd ways, and Compose's two generations read them differently. So a file of one service, whose
variables are the ones asked for, is given to Compose with the operator's env file, and says what they came to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from fleet.model.bento import Knob, Stack
from fleet.model.playbook import Secret
from fleet.plan.bento.composefile import ComposeFile, compose_file, environment
from fleet.plan.bento.roles import AGENTS, RIVALS
from fleet.plan.bento.secrecy import veiled
from fleet.plan.bento.trees import mapping

_BOTH = (
    ("SEGMENT_SIZE", "21"),
    ("BENTO_EXECUTOR_COUNT", None),
    ("POLL_TIME", "1"),
    ("REQUEUE_POLL_INTERVAL", "5"),
    ("PROVE_TIMEOUT", "30"),
    ("PROVE_RETRIES", "3"),
    ("JOIN_TIMEOUT", "10"),
    ("SNARK_TIMEOUT", None),
    ("RISC0_KECCAK_PO2", None),
    ("CLEANUP_POLL_INTERVAL", "300"),
    ("BENTO_DISABLE_COMPLETED_CLEANUP", None),
    ("DOCKER_RUNTIME", None),
    ("REDIS_HOST", "redis"),
    ("REDIS_PASSWORD", None),
    ("REDIS_TTL", None),
)
_OF_STACK = {
    Stack.LEGACY: (
        ("STREAM_REFRESH_INTERVAL", "5"),
        ("POSTGRES_HOST", "postgres"),
        ("POSTGRES_PORT", "5432"),
        ("POSTGRES_DB", "taskdb"),
        ("POSTGRES_USER", "worker"),
        ("POSTGRES_PASSWORD", "password"),
        ("MINIO_HOST", "minio"),
        ("MINIO_BUCKET", "workflow"),
        ("MINIO_ROOT_USER", "admin"),
        ("MINIO_ROOT_PASS", "password"),
    ),
    Stack.CURRENT: (("BENTO_API_URL", "http://rest_api:8081"), ("CLEANUP_STATS_TTL", "3600")),
}
ASKED = tuple(name for table in (_BOTH, *_OF_STACK.values()) for name, _ in table)
"""The variables that Compose is asked about."""


def probe(nonce: str) -> str:
    """A compose file, as JSON, whose one service has every variable that is asked about; unset ones show the nonce."""
    variables = {name: f"${{{name}-{nonce}}}" for name in ASKED}
    return json.dumps({"version": "3.3", "services": {"probe": {"image": "probe", "environment": variables}}})


def told(value: object, nonce: str) -> Mapping[str, Secret]:
    """What the probe's `config` says of the variables that are set. ValueError where it is none of it."""
    services = mapping(mapping(value, "the env file's settings").get("services"), "services")
    found = environment(mapping(services.get("probe"), "services.probe"))
    # Compose writes out files that it could read again: a dollar is doubled there.
    return {
        name: Secret(set_.replace("$$", "$"))
        for name in ASKED
        if (set_ := found.get(name)) is not None and set_ != nonce
    }


def inside(file: ComposeFile, value: object) -> Mapping[str, Secret]:
    """The variables that the services' own env files set, out of the project with its env files filled in.

    ValueError where it is none of it.
    """
    filled = compose_file(value)
    found: dict[str, Secret] = {}
    for name, part in file.parts().items():
        service = file.services[name]
        if part in RIVALS or "env_file" not in service:
            continue
        stated = environment(service)
        every = environment(filled.services.get(name, {})).items()
        found |= {one: Secret(set_.replace("$$", "$")) for one, set_ in every if set_ is not None and one not in stated}
    return {name: found[name] for name in ASKED if name in found}


def knobs(file: ComposeFile, stack: Stack, known: Mapping[str, Secret]) -> tuple[Knob, ...]:
    """The settings that matter to a stack, fit to be shown. A default is the file's own, else the agent's."""
    return tuple(
        Knob(
            name=name,
            value=None if (value := _value(file, name, known)) is None else veiled(name, value),
            default=None if (standard := file_default(file, name) or default) is None else veiled(name, standard),
        )
        for name, default in (*_BOTH, *_OF_STACK[stack])
    )


def _value(file: ComposeFile, name: str, known: Mapping[str, Secret]) -> str | None:
    """As the env file has it, else as an agent's own environment states it."""
    if name in known:
        return known[name].value
    parts = file.parts()
    stated = (environment(file.services[one]).get(name) for one in parts if parts[one] in AGENTS)
    return next((value for value in stated if value is not None and "$" not in value), None)


def file_default(file: ComposeFile, name: str) -> str | None:
    """What the file itself says where a variable is not set: the 21 of `${SEGMENT_SIZE:-21}`."""
    pattern = re.compile(rf"\$\{{{re.escape(name)}:?-([^${{}}]*)\}}")
    found = (
        match[1] for service in file.services.values() for one in _texts(service) for match in pattern.finditer(one)
    )
    return next((default for default in found if default), None)


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for item in value:
                yield from _texts(item)
        case Mapping():
            for item in value.values():
                yield from _texts(item)
        case _:
            return


def setting(file: ComposeFile, known: Mapping[str, Secret], name: str) -> str | None:
    """A setting in clear, for who has to get in: the env file's, else the file's default, else the agents'."""
    defaults = dict(pair for table in (_BOTH, *_OF_STACK.values()) for pair in table)
    return _value(file, name, known) or file_default(file, name) or defaults.get(name)
