"""What a host's cards were seen to do when they were made to work. None = not measured, or the card does not tell."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.model.samples import CardState


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFigures:
    """One card. Rates in bytes per second: over the bus and in its memory.

    Over the bus alone, with the cards below the same root port at once (`…_port`; None where it has the port to
    itself), and with all cards of the host at once (`…_together`).

    `copy`: read plus written, by a copy within its memory. `integers`: 32-bit multiply-adds per second. Under load:
    `sm_clock` of `sm_clock_max` in Hz, the link's `generation` and `lanes`. `state`: the card before it was made to
    work. `problem` and its `cure`: why it could not be measured.
    """

    device: str
    model: str
    root_port: str | None = None
    to_device: float | None = None
    to_host: float | None = None
    to_device_port: float | None = None
    to_host_port: float | None = None
    to_device_together: float | None = None
    to_host_together: float | None = None
    copy: float | None = None
    integers: float | None = None
    sm_clock: float | None = None
    sm_clock_max: float | None = None
    generation: int | None = None
    lanes: int | None = None
    state: CardState | None = None
    problem: str | None = None
    cure: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFigures:
    """All cards of a host. `problem` and its `cure`: why none could be measured."""

    host: str
    cards: tuple[CardFigures, ...] = ()
    problem: str | None = None
    cure: str | None = None
