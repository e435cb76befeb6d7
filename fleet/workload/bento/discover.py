"""What there is of a Bento cluster on a head: asked in two round trips, changed in none.

`seen` is the ground on which a cluster is isolated and configured; `discover` is what is shown, and handed on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from fleet.codec.composeyaml import read_compose
from fleet.errors import CommandError, ConfigurationError
from fleet.model.bento import BentoSettings, Deployment, Part
from fleet.model.inventory import Host
from fleet.model.playbook import Secret
from fleet.plan.bento import asking
from fleet.plan.bento.composefile import ComposeFile, compose_file
from fleet.plan.bento.containers import Container, containers
from fleet.plan.bento.knobs import inside, told
from fleet.plan.bento.marks import marks, opened
from fleet.plan.bento.secrecy import veiled_complaint
from fleet.plan.bento.sight import (
    Figures,
    GpuUse,
    Sight,
    agents,
    deployment,
    gpu_uses,
    orders,
    orders_databases,
    project_of,
    remote,
    servers,
)
from fleet.plan.bento.trees import parsed
from fleet.plan.shell.program import Answer, Piece, answers, program
from fleet.plan.shell.quoting import tame
from fleet.ports import Transport
from fleet.transport.exchange import exchange, fresh_nonce

SECONDS = 120.0
"""A busy head starts Compose slowly."""
_READY = "set `bento.compose` and `bento.env_file` as the cluster is started with"


def discover(transport: Transport, head: Host, settings: BentoSettings) -> Deployment:
    """The deployment as the head tells of it. CommandError where it has none; what is only unread is in `unread`.

    Goes by sudo where the head's login does: who may not ask Docker sees nothing.
    """
    sight = seen(transport, head, settings)
    return deployment(head.name, sight, _figures(transport, head, sight))


def seen(transport: Transport, head: Host, settings: BentoSettings) -> Sight:
    """The project as its file has it and as the engine runs it. CommandError, ConfigurationError."""
    nonce = fresh_nonce()
    found = ask(transport, head, (*asking.first_pieces(settings, nonce), asking.containers_piece()))
    _refuse(head, found)
    try:
        file = compose_file(_model(found["model"].text, nonce))
        known = _known(found, file, nonce)
        every = containers(found["containers"].text)
    except (ValueError, KeyError) as error:
        raise CommandError(f"its Bento deployment cannot be read: {error}", host=head.name, hint=_READY) from None
    engine, _, version = found["tools"].text.strip().partition("\n")
    project = project_of(settings, file)
    return Sight(
        settings=settings,
        project=project,
        engine=tame(engine, 40),
        compose=tame(version, 40).removeprefix("v"),
        file=file,
        known=known,
        own=tuple(one for one in every if one.project == project),
        others=tuple(one for one in every if one.project != project),
    )


def ask(transport: Transport, head: Host, pieces: Sequence[Piece]) -> Mapping[str, Answer]:
    """The answers of the head, as root where its login goes through sudo. HostError."""
    return exchange(transport, head, lambda nonce: program(pieces, nonce), answers, SECONDS, sudo=head.login.sudo)


def at_work(transport: Transport, head: Host) -> tuple[tuple[Container, ...], tuple[GpuUse, ...]]:
    """The engine's containers as they are by now, and who is on the GPUs. CommandError where the engine is silent."""
    found = ask(transport, head, [asking.containers_piece(), *asking.gpu_pieces()])
    try:
        return containers(found["containers"].text), gpu_uses(found["uses"].text)
    except (ValueError, KeyError) as error:
        raise CommandError(f"its containers cannot be read: {error}", host=head.name) from None


def _refuse(head: Host, found: Mapping[str, Answer]) -> None:
    """Say what a piece that ended the program said."""
    for label, hint in (("files", _READY), ("tools", "is the engine up, and may the user ask it?"), ("model", _READY)):
        answer = found.get(label)
        if answer is None:
            raise CommandError("it stopped answering when it was asked for its Bento deployment", host=head.name)
        if answer.status != 0:
            said = tame(veiled_complaint(answer.text), 400)
            text = f"Compose does not understand the project: {said}" if label == "model" else said
            error = ConfigurationError if label == "files" else CommandError
            raise error(text or f"its {label} cannot be read", host=head.name, hint=hint)


def _model(said: str, nonce: str) -> object:
    written, text = marks(said)
    return opened(_any(text), nonce, written)


def _known(found: Mapping[str, Answer], file: ComposeFile, nonce: str) -> Mapping[str, Secret]:
    """The variables: as the env file of the project has them, else as those of its services do."""
    said = {label: found[label].text for label in ("env", "inside") if label in found and found[label].status == 0}
    own = told(_any(said["env"]), nonce) if "env" in said else {}
    return {**(inside(file, _any(text)) if (text := said.get("inside", "").strip()) else {}), **own}


def _any(said: str) -> object:
    return parsed(said, "what Compose says") if said.lstrip().startswith("{") else read_compose(said)


@dataclass(slots=True)
class _Gathered:
    """What is found beside the project, and why not."""

    found: Mapping[str, Answer]
    unread: list[str] = field(default_factory=list)

    def text(self, label: str, what: str) -> str | None:
        """What a piece said; None, and the reason kept, where it failed."""
        answer = self.found.get(label)
        if answer is not None and answer.status == 0:
            return answer.text
        said = " ".join(tame(answer.text, 200).split()) if answer else ""
        self.unread.append(f"{what}: {said or 'no answer'}")
        return None


def _figures(transport: Transport, head: Host, sight: Sight) -> Figures:
    pieces = list(_further(head, sight))
    gathered = _Gathered(ask(transport, head, pieces))
    gpus = gathered.text("gpus", "GPUs")
    proving = gathered.text("agents", "agents")
    return Figures(
        gpus=tuple(tame(line, 80) for line in gpus.splitlines()) if gpus else (),
        agents=agents(proving) if proving else 0,
        orders=_orders(sight, gathered),
        remote=remote(sight, links) if (links := gathered.text("links", "remote agents")) else (),
        unread=tuple(gathered.unread),
    )


def _further(head: Host, sight: Sight) -> Iterator[Piece]:
    """The pieces that need to know what the first ones found."""
    yield from asking.gpu_pieces()
    yield asking.agents_piece([one.id for one in sight.of(Part.PROVE) if one.alive])
    yield asking.links_piece(tuple(servers(sight)))
    if databases := orders_databases(sight):
        yield asking.orders_piece(databases, head.python)


def _orders(sight: Sight, gathered: _Gathered) -> int | None:
    """How many orders the broker is at; None where there is no broker, or nobody can tell."""
    if not any(broker.alive for broker in sight.of(Part.BROKER)):
        return None
    if not orders_databases(sight):
        gathered.unread.append("orders: the broker's database was not found among its volumes")
        return None
    said = gathered.text("orders", "orders")
    try:
        return None if said is None else orders(said)
    except ValueError as error:
        gathered.unread.append(f"orders: {error}")
        return None
