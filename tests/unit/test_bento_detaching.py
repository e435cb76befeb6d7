"""A Bento head whose workers are taken from it, one by one: whom its firewall lets in afterwards."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from planted_fleets import guide_box

from fleet.model.bento import BentoSettings
from fleet.model.inventory import Host, Role
from fleet.model.playbook import Playbook
from fleet.model.stacksteps import FirewallStep
from fleet.plan.bento.attaching import HEAD_PLAYBOOK
from fleet.ports import Transport
from fleet.provision import bentoworker
from fleet.provision.apply import Terms
from fleet.provision.bentoworker import Addition, detach


def host(name: str, last: int, role: Role = Role.WORKER) -> Host:
    return replace(guide_box().head, name=name, node_address=f"10.0.0.{last}", role=role, lab=False)


HEAD, ONE, TWO = host("box", 1, Role.HEAD), host("one", 2), host("two", 3)


class Scene:
    """A head, and what is done to it. `changed`: whether its firewall was ever fleet's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, changed: bool = True) -> None:
        self.books: list[Playbook] = []
        self.back: list[str] = []
        by_hand = SimpleNamespace(address="10.0.0.9")
        still = SimpleNamespace(address=TWO.node_address)  # its connection has not ended yet
        for name, stand_in in {
            "taken_from": lambda *_: (),
            "rounds": lambda *_: iter([("entry",)] if changed else []),
            "seen": lambda *_: None,
            "_ports": lambda _: ("5432", "6379"),
            "discover": lambda *_: SimpleNamespace(remote=(by_hand, still)),
            "apply": self._apply,
            "put_back": self._put_back,
        }.items():
            monkeypatch.setattr(bentoworker, name, stand_in)

    def _apply(self, _transport: object, book: Playbook, hosts: list[Host], *_: object, **_how: object) -> tuple[()]:
        assert hosts == [HEAD]
        self.books.append(book)
        return ()

    def _put_back(self, *_: object, playbook: str) -> tuple[()]:
        self.back.append(playbook)
        return ()

    def without_two(self, *others: Host) -> None:
        inventory = replace(guide_box(), hosts=(HEAD, *others, TWO))
        addition = Addition(inventory=inventory, settings=BentoSettings(compose="/c.yml"), worker=TWO)
        detach(cast("Transport", None), addition, lambda _: None, Terms())


def sources(book: Any) -> tuple[str, ...]:
    (step,) = book.steps
    assert isinstance(step, FirewallStep)
    return step.sources


def test_with_a_worker_left_only_the_one_is_shut_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where its connection has not ended yet; who was attached by hand stays in."""
    scene = Scene(monkeypatch)
    scene.without_two(ONE)
    (book,) = scene.books
    assert book.name == HEAD_PLAYBOOK
    assert sources(book) == ("10.0.0.1", "10.0.0.2", "10.0.0.9")
    assert scene.back == []


def test_with_the_last_worker_the_firewall_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that was only proposed is none."""
    scene = Scene(monkeypatch)
    scene.without_two(replace(ONE, candidate=True))
    assert (scene.books, scene.back) == ([], [HEAD_PLAYBOOK])


def test_a_firewall_that_fleet_never_changed_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, changed=False)
    scene.without_two(ONE)
    assert (scene.books, scene.back) == ([], [])
