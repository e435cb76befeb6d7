"""The road of a Bento cluster: which adapters `fleet bench` and `fleet plan` take where an inventory names one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleet.cli.hosts.checkups import asked_passphrases

if TYPE_CHECKING:
    from uuid import UUID

    from fleet.model.bento import BentoSettings
    from fleet.model.facts import Survey
    from fleet.model.inventory import Host, Inventory
    from fleet.model.playbook import Playbook, StepReport
    from fleet.ports import Ledger, Observer, Transport, Workload
    from fleet.provision.restore import Wanted
    from fleet.workload.bento.records.reading import Place
    from fleet.workload.onlookers import Looking

_JOBS = "jobs in the task database"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What the operator allows on a head. `ledger`: where changes are recorded beside the head's own journal."""

    isolate: bool
    ledger: Ledger | None


def no_steps() -> Playbook:
    """Nothing is installed on a head with a Bento: all that is needed there is there."""
    from fleet.model.playbook import Playbook

    return Playbook(name="bento", path="", steps=())


def bento_workload(
    transport: Transport,
    inventory: Inventory,
    settings: BentoSettings,
    observe: Observer,
    allowed: Allowed,
    run: str,
) -> Callable[[Sequence[Host], Survey], Workload]:
    """What makes the workload, once the hosts are surveyed. `settings`: with the paths as they are on the head.

    `run`: what hosts keep while it lasts is named after it.
    """

    def make(hosts: Sequence[Host], surveyed: Survey) -> Workload:
        from fleet.model.event import Note
        from fleet.provision.bentoworker import PROJECT
        from fleet.workload.bento.guard import Custody
        from fleet.workload.bento.isolation import Consent
        from fleet.workload.bento.means import Means
        from fleet.workload.bento.rig import held
        from fleet.workload.bento.workload import BentoWorkload
        from fleet.workload.onlookers import Onlookers

        head = next(host for host in hosts if host.name == inventory.head.name)
        consent = Consent(isolate=allowed.isolate, tell=lambda line: observe(Note(text=line)))
        custody = Custody(inventory=inventory.name, ledger=allowed.ledger)
        means = Means(
            hold=lambda: held(transport, head, settings, custody, consent),
            way=lambda: _way(transport, head, settings),
            onlookers=Onlookers(transport, hosts, _looking(transport, inventory, surveyed, run), observe),
            attached=PROJECT,
        )
        return BentoWorkload(transport, inventory, head, settings, means=means, observer=observe)

    return make


def _looking(transport: Transport, inventory: Inventory, surveyed: Survey, run: str) -> Looking:
    """How hosts are sampled while a trial runs: by a fleet that is brought for the run and goes with it."""
    from fleet.provision.lending import loan
    from fleet.workload.onlookers import Looking
    from fleet.workload.telemetry import interval_of

    return Looking(
        run=run,
        offsets={offset.host: offset.offset for offset in surveyed.offsets},
        interval=interval_of(inventory.time_scale),
        archive=loan(transport, run),
    )


def killed_jobs(transport: Transport, head: Host, settings: BentoSettings, wanted: Wanted) -> tuple[StepReport, ...]:
    """End the jobs that runs of fleet have left at work on a head, and no others; a report of each, or of why not.

    None of a run that is under way there: `restore` tells of that, of each host in its turn.
    """
    from fleet.errors import FleetError, HostError
    from fleet.model.playbook import StepReport, StepState
    from fleet.provision.findings import given_up
    from fleet.provision.restore import stand_back
    from fleet.workload.bento.records.reading import lookout
    from fleet.workload.bento.unfinished import at_work, end_left, forget, left

    try:
        stand_back(transport, head, wanted)
    except HostError:
        return ()
    state = StepState.WOULD_CHANGE if wanted.dry_run else StepState.CHANGED
    found: Mapping[str, tuple[UUID, ...]] = {}
    try:
        found = left(transport, head, every=True)
        if not found:
            return ()
        with _way(transport, head, settings) as place, closing(lookout(place)) as looks:
            if wanted.dry_run:
                jobs = at_work(looks, [job for named in found.values() for job in named])
            else:
                jobs = end_left(transport, head, looks, every=True)
    except FleetError as error:
        text = f"jobs that a run of fleet has left may be at work: {error.message}"
        failed = StepReport(host=head.name, step=_JOBS, state=StepState.FAILED, summary=text, detail=error.hint or "")
        if wanted.dry_run or not wanted.forget or not found:
            return (failed,)
        forget(transport, head, list(found))
        return (given_up(failed),)
    return tuple(
        StepReport(host=head.name, step=_JOBS, state=state, summary=f"end job {job}, left by a run of fleet")
        for job in jobs
    )


@contextmanager
def _way(transport: Transport, head: Host, settings: BentoSettings) -> Iterator[Place]:
    """The cluster's task database by a tunnel, with the login that its own files have."""
    from fleet.transport.keyring import Keyring
    from fleet.transport.tunnel import tunnel
    from fleet.workload.bento.discover import seen
    from fleet.workload.bento.records.reading import by_tunnel, endpoint_of
    from fleet.workload.bento.way import place_in

    place = place_in(seen(transport, head, settings))
    with tunnel(head, Keyring(asked_passphrases([head])), endpoint_of(place)) as port:
        yield by_tunnel(place, port, head.name)
