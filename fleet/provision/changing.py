"""One host's changes: under its lock, so that no other controller makes any there, and looked at once more before.

What another has made right meanwhile is left alone; what another has made otherwise is refused. A change is begun when
its undo is on the host's disk and in the store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from fleet.errors import HostError, ProvisionError, StoreError
from fleet.model.inventory import Host
from fleet.model.journal import Entry, EntryState
from fleet.model.playbook import Change, Secret, Step, StepReport
from fleet.model.stacksteps import ComposeStep
from fleet.plan.shell.journal import PATIENCE, Recording
from fleet.plan.shell.program import Answer, Piece, answers
from fleet.plan.shell.turn import LOCK, SAME, lock, same
from fleet.plan.steps import Wheel, asking, compile_changes, compile_questions
from fleet.plan.steps.outcome import Decision, came_of, complete, decided, equal, reconsidered, wanted
from fleet.ports import Transport
from fleet.provision.journal import Journal, as_root, recordings, shell_of
from fleet.provision.sending import Sources
from fleet.provision.turns import patience_for
from fleet.transport.controller import controller
from fleet.transport.exchange import exchange

ASK_SECONDS = 120.0
CHANGE_SECONDS = 1800.0
"""Installing Ray over a slow line takes minutes."""
TRIES = 5
"""Programs sent before it is given up that what a host answers stays as it is."""
_RESTLESS = "not changed: the host answers otherwise each time it is asked"
_AGAIN = "something else changes it: find out what, then run the same command again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is to be done on one host."""

    host: Host
    playbook: str
    steps: tuple[Step, ...]
    wheels: tuple[Wheel, ...]
    sources: Sources
    secrets: Mapping[str, Secret] = field(repr=False)


def change(
    transport: Transport, task: Task, decisions: Sequence[Decision], journal: Journal, tell: Callable[[str], None]
) -> tuple[StepReport, ...]:
    """Make the changes in order, a program for each run of steps that need the same rights, until one fails.

    `tell`: is told, in a line, what is waited for. What was seen done before the connection is lost is done.
    """
    changes = _Changes(transport, task, decisions, journal, tell)
    try:
        for root, group in groupby(sorted(wanted(decisions)), lambda i: as_root(task.host, sudo=task.steps[i].sudo)):
            if not changes.make(tuple(group), root=root):
                break
        else:
            changes.follow()
    except (HostError, ProvisionError, StoreError) as error:
        return came_of(task.host.name, changes.decisions, changes.done, error)
    return came_of(task.host.name, changes.decisions, changes.done)


class _Changes:
    """The changes of one host, as far as they have come: what is to be done, and what the host has answered."""

    def __init__(
        self,
        transport: Transport,
        task: Task,
        decisions: Sequence[Decision],
        journal: Journal,
        tell: Callable[[str], None],
    ) -> None:
        self.decisions = list(decisions)
        self.done: dict[str, Answer] = {}
        self._transport = transport
        self._task = task
        self._journal = journal
        self._tell = tell
        self._serial = 0

    def make(self, chosen: Sequence[int], *, root: bool) -> bool:
        """Make the changes of some steps while nobody else makes any; whether all went well.

        HostError, StoreError; ProvisionError where another does not come to an end.
        """
        patience, noisy, ours = 0, frozenset[str](), bool(self.done)
        for _ in range(TRIES):
            todo = {i: planned for i, planned in wanted(self.decisions).items() if i in chosen}
            if not todo:
                return not any(self.decisions[i].blocked for i in chosen)
            found = self._send(todo, self._first(todo, patience, noisy, root=root), root=root)
            held = found.get(LOCK)
            patience = patience_for(self._task.host, held, patience, self._tell)
            if (kept := found.get(SAME)) and kept.status != 0:
                planned = [i for i, one in todo.items() if one is not None]
                noisy |= self._look_again(planned, ours=ours, root=root)
            elif held is None or held.status == 0:
                self.done |= found
                return _went_well(found, f"look_{max(todo)}")
        raise ProvisionError(_RESTLESS, hint=_AGAIN)

    def follow(self) -> None:
        """Ask again, and make, what was right and depends on files that steps before it have changed. As `make`."""
        steps = self._task.steps
        changed = [i for i, decision in enumerate(self.decisions) if decision.change]
        for i, step in enumerate(steps):
            if isinstance(step, ComposeStep) and self.decisions[i].right and any(one < i for one in changed):
                root = as_root(self._task.host, sudo=step.sudo)
                self._look_again([i], ours=True, root=root)
                if not self.decisions[i].right and not self.make([i], root=root):
                    return

    def _first(
        self, todo: Mapping[int, Change | None], patience: int, noisy: frozenset[str], *, root: bool
    ) -> tuple[Piece, ...]:
        """What must go well before anything is changed."""
        task = self._task
        asked = [
            (asking(task.steps, i, task.secrets), answer)
            for i, planned in todo.items()
            if planned is not None and (answer := self.decisions[i].answer)
        ]
        return (lock(task.host, controller(), patience, root=root), same(asked, noisy))

    def _send(self, todo: Mapping[int, Change | None], first: Sequence[Piece], *, root: bool) -> Mapping[str, Answer]:
        """One program to the host and what it answered; kept in the journals before and after."""
        task, journal = self._task, self._journal
        written = recordings(
            task.host, journal.run, task.playbook, self.decisions, tuple(todo), task.secrets, serial=self._serial
        )
        self._serial += len(task.steps)
        journal.begin(tuple(written.values()))

        def write(nonce: str) -> str:
            shell = shell_of(task.host, written)
            return compile_changes(task.steps, todo, nonce, recordings=shell, secrets=task.secrets, first=first)

        def cut_off(found: Mapping[str, Answer]) -> None:
            self.done |= found
            journal.end(_made(written, found), EntryState.DONE)

        patience = CHANGE_SECONDS + PATIENCE
        found = exchange(self._transport, task.host, write, answers, patience, sudo=root, cut_off=cut_off)
        journal.end(_made(written, found), EntryState.DONE)
        journal.end(_never_begun(written, found), EntryState.RESTORED)
        return found

    def _look_again(self, chosen: Sequence[int], *, ours: bool, root: bool) -> frozenset[str]:
        """Decide anew, from what the host answers by now; the labels of answers that differ and mean the same.

        `ours`: changes of this provisioning may be why it answers otherwise.
        """
        task = self._task

        def write(nonce: str) -> str:
            return compile_questions(task.steps, nonce, only=chosen, secrets=task.secrets)

        def read(stdout: bytes, nonce: str) -> Mapping[str, Answer]:
            return complete(task.steps, chosen, answers(stdout, nonce))

        asked = exchange(self._transport, task.host, write, read, ASK_SECONDS, sudo=root)
        noisy = set()
        for i in chosen:
            label = f"ask_{i}"
            before, after = self.decisions[i], decided(task.steps[i], asked[label], task.wheels)
            was, now = before.answer, asked[label]
            if equal(before, after) and was is not None and was.status == now.status and was.said != now.said:
                noisy.add(label)
            self.decisions[i] = after if ours else reconsidered(before, after)
        return frozenset(noisy)


def _made(written: Mapping[int, Recording], found: Mapping[str, Answer]) -> list[Entry]:
    return [one.entry for i, one in written.items() if (mark := found.get(f"mark_{i}")) and mark.status == 0]


def _never_begun(written: Mapping[int, Recording], found: Mapping[str, Answer]) -> list[Entry]:
    return [one.entry for i, one in written.items() if f"change_{i}" not in found and f"record_{i}" not in found]


def _went_well(found: Mapping[str, Answer], last: str) -> bool:
    failed = any(answer.status != 0 for label, answer in found.items() if not label.startswith("mark_"))
    return not failed and last in found
