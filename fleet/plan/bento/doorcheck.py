"""PURE. What open doors of a Bento head mean: its defaults are known to everybody, and its API asks nobody anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fleet.model.checkup import Check, Checkup, Light
from fleet.model.door import Door, Lock
from fleet.plan.shell.quoting import tame

_CLOSE = "let only the fleet's hosts in: `fleet provision … bento-head.yaml` has the firewall step"


def judge_doors(head: str, doors: Sequence[Door]) -> tuple[Checkup, ...]:
    """The checks of the head. Red: who is on its network can take work, or hand in proofs, without being asked."""
    return (Checkup(host=head, checks=tuple(check for door in doors for check in _checks(door))),)


def _checks(door: Door) -> Iterator[Check]:
    name = door.name
    where = f"; it was reached from here at {door.exposed}:{door.port}, not by SSH" if door.exposed else ""
    if door.problem is not None:
        yield Check(name=name, light=Light.AMBER, seen=f"not tried: {tame(door.problem, 160)}", cure="run it again")
        return
    match door.lock:
        case Lock.DEFAULT:
            seen = f"port {door.port} lets the default password in ({door.known_as}), tried just now{where}"
            cure = f"set another as {door.setting} in the env file, on the head and its workers; {_CLOSE}"
            yield Check(name=name, light=Light.RED, seen=seen, cure=cure)
        case Lock.NONE:
            also = f"set {door.setting} in the env file; " if door.setting else "it knows no login; "
            light = Light.RED if door.exposed or door.setting is None else Light.AMBER
            yield Check(
                name=name, light=light, seen=f"port {door.port} asks nobody for a login{where}", cure=also + _CLOSE
            )
        case Lock.OWN:
            seen = f"port {door.port} refuses the default password{where}"
            light = Light.AMBER if door.exposed else Light.GREEN
            yield Check(name=name, light=light, seen=seen, cure=_CLOSE if door.exposed else None)
        case Lock.SILENT:
            yield Check(name=name, light=Light.GREEN, seen=f"nothing answers on port {door.port}")
