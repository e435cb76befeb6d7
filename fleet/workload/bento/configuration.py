"""A layout on a head: the operator's agents set aside, the layout's in a project beside his, all put back afterwards.

His containers are only stopped and started again, never made anew, and no file of his is touched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from fleet.codec.composeyaml import write_compose
from fleet.errors import ConfigurationError
from fleet.model.bento import BentoSettings, Deployment, Tuning
from fleet.model.inventory import Host
from fleet.model.trial import AgentSpec, Layout
from fleet.plan.bento import changes
from fleet.plan.bento.composefile import environment
from fleet.plan.bento.override import TRIAL, Copy, Wanted, copies, permanent, pinned, set_aside
from fleet.plan.bento.roles import AGENTS
from fleet.plan.bento.secrecy import veiled_complaint, veiled_tree
from fleet.plan.bento.sight import Sight, executors, pick
from fleet.plan.bento.trees import Tree
from fleet.plan.shell.program import Piece
from fleet.plan.shell.quoting import tame
from fleet.plan.steps.files import difference
from fleet.ports import Transport
from fleet.workload.bento.discover import ask, seen
from fleet.workload.bento.guard import Guard


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """A layout that runs. `project`: its containers' Compose project; `services`: the service of each agent.

    `sight`: the operator's project as it was read for it.
    """

    sight: Sight
    project: str
    services: tuple[tuple[AgentSpec, str], ...]
    executors: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An override that Compose has understood. `text`: it, as YAML; `diff`: what becomes of the agents, secrets hidden.

    `copies`: its services; `aside`: the operator's services whose place they take.
    """

    text: str
    diff: str
    copies: tuple[Copy, ...]
    aside: tuple[str, ...]


@contextmanager
def configured(
    guard: Guard, deployment: Deployment, layout: Layout, tuning: Tuning, after: Configured | None = None
) -> Iterator[Configured]:
    """The layout's agents of this host run, and the operator's do not, for as long as this lasts.

    `after`: the layout before it, for which the operator's project was read and his agents are set aside already.
    ConfigurationError where Compose does not understand what comes of it, before anything is stopped; ProvisionError
    where an agent does not come up.
    """
    sight = seen(guard.transport, guard.host, deployment.settings) if after is None else after.sight
    drafted = _drafted(sight, guard.host, layout, tuning)
    project = f"{sight.project}{TRIAL}"
    text = write_compose(pinned(sight.file, drafted, sight.project))
    _check(guard.transport, guard.host, sight, text)
    trial = changes.Trial(
        settings=deployment.settings,
        project=project,
        folder=f"{guard.state_folder()}/bento-{hashlib.sha256(guard.run.encode()).hexdigest()[:12]}",
        override=text,
        services=tuple(copy.name for copy in drafted),
        aside=() if after else pick(sight.own, AGENTS, sight),
    )
    secrets = {name: secret.value for name, secret in sight.known.items()}
    # Whatever an answer says, it is undone: the entry is in the journal before the change is begun.
    before = guard.count
    try:
        guard.make(changes.configured(trial, f"run {layout.label}"), secrets)
        yield Configured(
            sight=sight,
            project=project,
            services=tuple((copy.agent, copy.name) for copy in drafted if copy.agent is not None),
            executors=tuple(copy.name for copy in drafted if copy.name.startswith("fleet_exec_")),
        )
    finally:
        guard.put_back_since(before)


def draft(transport: Transport, host: Host, settings: BentoSettings, layout: Layout, tuning: Tuning) -> Draft:
    """The override for good, to be kept beside the operator's file; Compose has read it, and nothing is changed.

    ConfigurationError where Compose does not understand it.
    """
    sight = seen(transport, host, settings)
    made = _drafted(sight, host, layout, tuning, by_name=True)
    text = write_compose(permanent(sight.file, made, sight.compose))
    _check(transport, host, sight, text)
    aside = set_aside(sight.file, made)
    return Draft(text=text, diff=_diff(sight, made, aside), copies=made, aside=aside)


def _drafted(sight: Sight, host: Host, layout: Layout, tuning: Tuning, *, by_name: bool = False) -> tuple[Copy, ...]:
    wanted = Wanted(
        host=host,
        layout=layout,
        tuning=tuning,
        executors=executors(sight) if tuning.executors is None else tuning.executors,
        images=_images(sight, by_name=by_name),
    )
    return copies(sight.file, wanted)


def _images(sight: Sight, *, by_name: bool) -> Mapping[str, str]:
    """The image that each service runs by now: the very one, whatever its name may stand for since."""
    if by_name:
        return {one.service: one.image for one in sight.own if "image" not in sight.file.services.get(one.service, {})}
    return {one.service: one.digest for one in sorted(sight.own, key=lambda one: one.alive)}


def _check(transport: Transport, host: Host, sight: Sight, text: str) -> None:
    """Have Compose read the override over the operator's files."""
    answer = ask(transport, host, [Piece(label="check", text=changes.check(sight.settings, text))]).get("check")
    if answer is None or answer.status != 0:
        said = tame(veiled_complaint(answer.text), 400) if answer else "no answer"
        for secret in sight.known.values():
            said = said.replace(secret.value, "***") if secret.value.strip() else said
        raise ConfigurationError(f"Compose does not understand the override: {said}", host=host.name)


def _diff(sight: Sight, made: Sequence[Copy], aside: Sequence[str]) -> str:
    """What each service of the layout changes of the one that it is a copy of; who has no container any more."""
    parts = [
        difference(_shown(copy.original, sight.file.services[copy.original]), _shown(copy.name, copy.tree), copy.name)
        for copy in made
    ]
    return "\n".join([*parts, f"no container any more: {', '.join(aside)}"])


def _shown(name: str, service: Tree) -> str:
    """A service as it may be shown, its parts by name, so that the like stands beside the like."""
    parts = {part: service[part] for part in sorted(service)}
    return write_compose({name: veiled_tree({**parts, "environment": dict(sorted(environment(service).items()))})})
