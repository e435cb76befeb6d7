"""What `fleet watch` has heard and what the operator wants to see of it. Pure: time comes in with what is heard."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from fleet.model.inventory import Host
from fleet.model.samples import CardState, DeviceSample, Lack
from fleet.model.watch import Frame, HostLost, Look, Mishap, WatchedHost

HISTORY = 240
"""Looks that a sparkline goes back at most."""
CPU = "cpu"
"""In the place of a device in the row of a host."""
_FILTER_LIMIT = 40
_WHOLE = "*"
"""In the place of a field: the whole card."""


class Sort(StrEnum):
    """What rows are sorted by."""

    HOST = "host"
    BUSY = "busy"
    MEMORY = "memory"
    POWER = "power"
    HEAT = "heat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How the operator wants it: `cpu`: hosts' own rows beside their GPUs'; `typing`: a filter is being typed.

    `top`: how many rows are above the window.
    """

    sort: Sort = Sort.HOST
    reverse: bool = False
    filter: str = ""
    typing: bool = False
    cpu: bool = False
    paused: bool = False
    top: int = 0
    quit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table: a GPU, or a host (`device` None). `past`: its busy shares, the newest last."""

    host: WatchedHost
    device: DeviceSample | None = None
    card: CardState | None = None
    mishap: Mishap | None = None
    past: tuple[float | None, ...] = ()

    @property
    def busy(self) -> float | None:
        """Share of its last interval."""
        if self.device is not None:
            return self.device.busy
        return self.host.look.host.cpu_busy if self.host.look else None

    @property
    def name(self) -> str:
        """`box/gpu0`."""
        return f"{self.host.name}/{self.device.device if self.device else CPU}"


class Board:
    """Everything heard so far. Used under one lock by whoever hears and whoever draws."""

    def __init__(self, hosts: Sequence[Host]) -> None:
        self._hosts = {host.name: WatchedHost(name=host.name, group=host.group) for host in hosts}
        self._past: dict[tuple[str, str], deque[float | None]] = {}

    def hear(self, what: Look | HostLost, name: str) -> None:
        """Take in a host's look, or its loss."""
        known = self._hosts[name]
        if isinstance(what, HostLost):
            self._hosts[name] = replace(known, lost=what.reason)
            for (host, _), past in self._past.items():
                if host == name:
                    past.append(None)
            return
        self._hosts[name] = replace(
            known,
            look=what,
            lost=None,
            cards=_cards(known.cards, what.cards),
            lacks=_lacks((*known.lacks, *what.lacks), what.devices),
            mishaps=_mishaps(known.mishaps, what.devices),
        )
        self._remember(name, CPU, what.host.cpu_busy)
        for device in what.devices:
            self._remember(name, device.device, device.busy)

    def frame(self, now: float) -> Frame:
        """All hosts as they are known now."""
        return Frame(time=now, hosts=tuple(self._hosts.values()))

    def rows(self) -> tuple[Row, ...]:
        """Every row that there is, in the inventory's order: of each host its own first, then its devices'."""
        return tuple(row for host in self._hosts.values() for row in self._rows_of(host))

    @property
    def heard(self) -> bool:
        """Whether every host has said something, or is lost."""
        return all(host.look or host.lost for host in self._hosts.values())

    def _rows_of(self, host: WatchedHost) -> list[Row]:
        cards = {card.device: card for card in host.cards}
        mishaps = {mishap.device: mishap for mishap in host.mishaps}
        devices = host.look.devices if host.look else ()
        own = Row(host=host, past=tuple(self._past.get((host.name, CPU), ())))
        return [
            own,
            *(
                Row(
                    host=host,
                    device=device,
                    card=cards.get(device.device),
                    mishap=mishaps.get(device.device),
                    past=tuple(self._past.get((host.name, device.device), ())),
                )
                for device in devices
            ),
        ]

    def _remember(self, host: str, device: str, busy: float | None) -> None:
        self._past.setdefault((host, device), deque(maxlen=HISTORY)).append(busy)


def _cards(known: Sequence[CardState], news: Sequence[CardState]) -> tuple[CardState, ...]:
    """The last that is known of each card; one that is lost tells no more than that, and stays what it was."""
    found = {card.device: card for card in known}
    for card in news:
        found[card.device] = replace(found.get(card.device, card), lost=True) if card.lost else card
    return tuple(found.values())


def _lacks(told: Sequence[Lack], devices: Sequence[DeviceSample]) -> tuple[Lack, ...]:
    """Each lack as it was told last, but of whole cards that tell something again: host or driver was started anew."""
    back = {each.device for each in devices if (each.busy, each.memory_used, each.temperature) != (None, None, None)}
    found = {(lack.device, lack.field): lack for lack in told if lack.field != _WHOLE or lack.device not in back}
    return tuple(found.values())


def _mishaps(known: Sequence[Mishap], devices: Sequence[DeviceSample]) -> tuple[Mishap, ...]:
    """The last driver error of each card: it is said once, at a time at which nobody may have looked."""
    news = (Mishap(device=each.device, xid=each.xids[-1], time=each.time) for each in devices if each.xids)
    return tuple({mishap.device: mishap for mishap in (*known, *news)}.values())


def _memory(row: Row) -> float | None:
    if row.device is not None:
        return row.device.memory_used
    return row.host.look.host.memory_used if row.host.look else None


_VALUES: Mapping[Sort, Callable[[Row], float | None]] = {
    Sort.BUSY: lambda row: row.busy,
    Sort.MEMORY: _memory,
    Sort.POWER: lambda row: row.device.power if row.device else None,
    Sort.HEAT: lambda row: row.device.temperature if row.device else None,
}


def chosen(rows: Sequence[Row], wish: Wish) -> tuple[Row, ...]:
    """The rows that are wanted, in the wanted order; what has no value comes last. Lost hosts are always there.

    A host's own row is left out where it has others, unless it is wished for.
    """
    with_devices = {row.host.name for row in rows if row.device is not None}
    shown = [row for row in rows if _wanted(row, wish, own=wish.cpu or row.host.name not in with_devices)]
    if wish.sort is not Sort.HOST:
        value = _VALUES[wish.sort]
        known = [row for row in shown if value(row) is not None]
        unknown = [row for row in shown if value(row) is None]
        known.sort(key=lambda row: value(row) or 0.0, reverse=not wish.reverse)
        return (*known, *unknown)
    return tuple(reversed(shown)) if wish.reverse else tuple(shown)


def _wanted(row: Row, wish: Wish, *, own: bool) -> bool:
    if row.host.lost:
        return row.device is None
    return (row.device is not None or own) and _matches(row, wish.filter)


def _matches(row: Row, text: str) -> bool:
    """Whether every word of a filter is in the row's host, group, device or model."""
    model = row.card.model if row.card and row.card.model else ""
    place = f"{row.name} {row.host.group or ''} {model}".lower()
    return all(word in place for word in text.lower().split())


_SORTS = {"h": Sort.HOST, "b": Sort.BUSY, "m": Sort.MEMORY, "p": Sort.POWER, "t": Sort.HEAT}
_CHANGES: Mapping[str, Callable[[Wish], Wish]] = {
    "q": lambda wish: replace(wish, quit=True),
    "r": lambda wish: replace(wish, reverse=not wish.reverse),
    "c": lambda wish: replace(wish, cpu=not wish.cpu),
    " ": lambda wish: replace(wish, paused=not wish.paused),
    "/": lambda wish: replace(wish, typing=True, filter=""),
    "\x1b": lambda wish: replace(wish, filter=""),
}
_ENTER, _ESCAPE, _ERASE, _INTERRUPT = "\r\n", "\x1b", "\x7f\b", "\x03\x04"
UP, DOWN, PAGE_UP, PAGE_DOWN = "↑", "↓", "⇞", "⇟"
"""What keys that are no characters are called here."""


def pressed(wish: Wish, key: str, page: int = 1) -> Wish:
    """What the operator wants after pressing a key (one character; unknown ones change nothing); `page`: of rows."""
    if key in _INTERRUPT:
        return replace(wish, quit=True)
    if rows := {UP: -1, DOWN: 1, PAGE_UP: -page, PAGE_DOWN: page}.get(key):
        return replace(wish, top=max(0, wish.top + rows))
    if wish.typing:
        return replace(_typed(wish, key), top=0)
    if key in _SORTS:
        return replace(wish, sort=_SORTS[key], top=0)
    change = _CHANGES.get(key)
    return change(wish) if change else wish


def _typed(wish: Wish, key: str) -> Wish:
    if key in _ENTER:
        return replace(wish, typing=False)
    if key == _ESCAPE:
        return replace(wish, typing=False, filter="")
    if key in _ERASE:
        return replace(wish, filter=wish.filter[:-1])
    return replace(wish, filter=(wish.filter + key)[:_FILTER_LIMIT]) if key.isprintable() else wish
