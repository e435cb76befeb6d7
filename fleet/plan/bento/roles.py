"""What a service of a compose file is there for: told by the command that it runs, else by its name."""

from __future__ import annotations

import re

from fleet.model.bento import Part
from fleet.plan.bento.trees import Tree, words

AGENTS = frozenset({Part.EXECUTE, Part.PROVE, Part.AUXILIARY})
"""The parts that a layout is made of, and whose settings are changed for a trial."""
RIVALS = frozenset({Part.BROKER, Part.MINER})
"""The parts that bring jobs of their own: beside them no trial is one."""

_STREAM = re.compile(r"(?:-t|--task-stream)[= ]+([a-z]+)")
_STREAMS = {"exec": Part.EXECUTE, "prove": Part.PROVE, "aux": Part.AUXILIARY}
_BY_NAME = (
    (re.compile(r"broker[0-9_-]*\Z"), Part.BROKER),
    (re.compile(r"miner[0-9_-]*\Z"), Part.MINER),
    (re.compile(r"rest_api\Z"), Part.API),
    (re.compile(r"postgres\w*\Z"), Part.POSTGRES),
    (re.compile(r"(redis|valkey)\Z"), Part.REDIS),
    (re.compile(r"minio\Z"), Part.FILES),
    (re.compile(r"gpu_(prove_)?agents?[0-9_-]*\Z"), Part.PROVE),
    (re.compile(r"exec_agent[0-9_-]*\Z"), Part.EXECUTE),
    (re.compile(r"aux_agent[0-9_-]*\Z"), Part.AUXILIARY),
)
_AGENT = re.compile(r"(?:\S*/)?agent(?:\.\w+)? +-t +prove\b[^&;|\n\"']*")
_PER_GPU = re.compile(r"\bfor\b.*nvidia-smi|nvidia-smi.*\bfor\b", re.DOTALL)
_KEPT = re.compile(r"--redis-ttl[= ]\S+")

PROVE_COMMAND = "/app/agent -t prove"
"""What an agent's command is where the file does not show it."""


def command_text(service: Tree) -> str:
    """What a service runs, as one text: its entry point and its command."""
    return " ".join([*words(service.get("entrypoint"), "entrypoint"), *words(service.get("command"), "command")])


def part_of(name: str, command: str) -> Part:
    """What the service of that name, which runs this command, is there for."""
    if (stream := _STREAM.search(command)) and "agent" in command and (found := _STREAMS.get(stream[1])):
        return found
    return next((part for pattern, part in _BY_NAME if pattern.fullmatch(name)), Part.OTHER)


def one_for_all(command: str) -> bool:
    """Whether a proving service starts an agent for each GPU that it finds: by a loop, or by a program of its own."""
    return _PER_GPU.search(command) is not None or _AGENT.search(command) is None


def agent_command(command: str) -> str:
    """One agent's own command, out of the script that starts several."""
    if found := _AGENT.search(command):
        return found[0].strip()
    kept = _KEPT.search(command)
    return f"{PROVE_COMMAND} {kept[0]}" if kept else PROVE_COMMAND
