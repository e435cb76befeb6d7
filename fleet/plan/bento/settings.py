"""What was recommended, as files that an operator can use: lines of the env file, an override, the broker's lines.

None of the operator's own files is touched.
"""

from __future__ import annotations

from fleet.model.advice import Knob, Settings
from fleet.model.bento import Tuning
from fleet.model.inventory import Host
from fleet.plan.bento.override import Wanted, copies, permanent
from fleet.plan.bento.roles import AGENTS
from fleet.plan.bento.sight import Sight, executors
from fleet.plan.bento.trees import Tree

TIMERS = (Knob.POLL, Knob.REFRESH, Knob.PROVE_TIMEOUT)
"""What agents read from their environment, whether the compose file passes it on or not."""


def env_lines(found: Settings) -> tuple[str, ...]:
    """The lines to set in the env file."""
    return tuple(f"{one.knob.value}={one.value}" for one in found.changed if one.knob is not Knob.AGENTS)


def broker_lines(found: Settings) -> tuple[str, ...]:
    """The lines to set in broker.toml."""
    return () if found.peak is None else ("[market]", f"peak_prove_khz = {found.peak.khz}")


def override_tree(found: Settings, sight: Sight, head: Host) -> Tree | None:
    """The override to start the cluster with after its own file; None where the file needs none.

    Where agents change, services of the layout's own take the place of the operator's; else only the agents'
    environment is added to. ConfigurationError where the file has nothing to copy.
    """
    file = sight.file
    agents = found.of(Knob.AGENTS)
    if agents is not None and agents.changes and found.layout is not None:
        wanted = Wanted(
            host=head,
            layout=found.layout,
            tuning=_tuning(found),
            executors=executors(sight),
            images={one.service: one.image for one in sight.own if one.service},
        )
        return permanent(file, copies(file, wanted), sight.compose)
    values = {one.knob.value: str(one.value) for one in found.changed if one.knob in TIMERS}
    names = [name for name, part in file.parts().items() if part in AGENTS]
    if not values or not names:
        return None
    version: Tree = {"version": file.version} if file.version else {}
    return {**version, "services": {name: {"environment": values} for name in names}}


def _tuning(found: Settings) -> Tuning:
    """The timers and limits that were recommended; the rest as the cluster has it."""
    values = {one.knob: float(one.value) for one in found.changed if one.knob in TIMERS and one.value is not None}
    limit = values.get(Knob.PROVE_TIMEOUT)
    return Tuning(
        poll=values.get(Knob.POLL),
        refresh=values.get(Knob.REFRESH),
        prove_timeout=None if limit is None else int(limit),
        join_timeout=None,
        keep_jobs=False,
    )
