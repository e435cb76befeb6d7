"""Makes a host's cards work for some seconds and says what they reach.

Run over SSH (`python -m fleet.remote.gpuhealth HOST`); writes one `HostFigures` line. Takes about 2 GB of each card.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace

from fleet.codec.text import dump_line
from fleet.errors import ConfigurationError, MeasureError
from fleet.model.gpuhealth import CardFigures, HostFigures
from fleet.remote.prover.cuda_board import TO_DEVICE, TO_HOST, CupyBoard, open_cupy
from fleet.remote.prover.cuda_measure import bus_rate, copy_rate, integer_rate
from fleet.remote.sampling.card import Card
from fleet.remote.sampling.cardstate import card_state
from fleet.remote.sampling.nvml import Library, open_library
from fleet.remote.topology import read_topology

_SM = 1
"""NVML_CLOCK_SM."""
_LOAD_SECONDS = 1.0
_PATIENCE = 120.0
_UNLIKE = "CUDA does not see what the driver shows: look at CUDA_VISIBLE_DEVICES and MIG (nvidia-smi -L)"


def examine(host: str) -> HostFigures:
    """Every card of the host: alone, then those below one root port together, then all. Failures are answers, too."""
    library = open_library()
    if isinstance(library, str):
        return HostFigures(host=host, problem=f"no card can be seen: {library}", cure="install NVIDIA's driver there")
    with closing(library):
        try:
            open_cupy(host)
        except ConfigurationError as error:
            return HostFigures(host=host, problem=error.message.removeprefix(f"{host}: "), cure=error.hint)
        return HostFigures(host=host, cards=_measured(host, library))


def _measured(host: str, library: Library) -> tuple[CardFigures, ...]:
    ports = {place.device: place.root_port for place in read_topology(host, library).cards}
    found: list[CardFigures] = []
    with ExitStack() as stack:
        boards: dict[str, CupyBoard] = {}
        for card in library.cards:
            device = f"gpu{card.index}"
            state = card_state(library, card, host, device, time.time(), ())
            figures = CardFigures(device=device, model=state.model or "unknown", root_port=ports[device], state=state)
            try:
                board = stack.enter_context(closing(CupyBoard(card.index)))
                found.append(_alone(figures, board, card))
                boards[device] = board
            except ConfigurationError as error:
                found.append(replace(figures, problem=_said(error, device), cure=f"{_UNLIKE}; {error.hint}"))
            except (MeasureError, MemoryError) as error:
                found.append(replace(figures, problem=_said(error, device)))
        port_there, port_back = (_by_port(found, boards, kind) for kind in (TO_DEVICE, TO_HOST))
        there, back = (_together(boards, kind) for kind in (TO_DEVICE, TO_HOST))
    return tuple(
        replace(
            one,
            to_device_port=port_there.get(one.device),
            to_host_port=port_back.get(one.device),
            to_device_together=there.get(one.device),
            to_host_together=back.get(one.device),
        )
        for one in found
    )


def _said(error: MeasureError | ConfigurationError | MemoryError, device: str) -> str:
    """What an error says of a card that is named beside it."""
    text = str(error) if isinstance(error, MemoryError) else error.message
    return text.removeprefix(f"{device}: ")


def _alone(figures: CardFigures, board: CupyBoard, card: Card) -> CardFigures:
    """One card, with the others idle; clocks and link are read while it computes."""
    to_device, to_host, copy = bus_rate(board, TO_DEVICE), bus_rate(board, TO_HOST), copy_rate(board)
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(lambda: integer_rate(board, _LOAD_SECONDS))
        threading.Event().wait(_LOAD_SECONDS / 2)
        clock = card.ask("sm_clock", ("nvmlDeviceGetClockInfo", _SM))
        highest = card.ask("sm_clock_max", ("nvmlDeviceGetMaxClockInfo", _SM))
        generation = card.ask("pcie_generation", ("nvmlDeviceGetCurrPcieLinkGeneration",))
        lanes = card.ask("pcie_width", ("nvmlDeviceGetCurrPcieLinkWidth",))
        integers = load.result()
    return replace(
        figures,
        to_device=to_device,
        to_host=to_host,
        copy=copy,
        integers=integers,
        sm_clock=None if clock is None else clock * 1e6,
        sm_clock_max=None if highest is None else highest * 1e6,
        generation=generation,
        lanes=lanes,
    )


def _by_port(found: Sequence[CardFigures], boards: Mapping[str, CupyBoard], kind: int) -> dict[str, float]:
    """The bus's rates with the cards of one root port copying at once, port by port; none of cards alone on theirs."""
    ports: defaultdict[str, dict[str, CupyBoard]] = defaultdict(dict)
    for one in found:
        if one.root_port is not None and one.device in boards:
            ports[one.root_port][one.device] = boards[one.device]
    return {device: rate for members in ports.values() for device, rate in _together(members, kind).items()}


def _together(boards: Mapping[str, CupyBoard], kind: int) -> dict[str, float]:
    """The bus's rates with these cards copying at once, one thread each; empty where it is one card only."""
    if len(boards) < 2:  # noqa: PLR2004 (together)
        return {}
    start = threading.Barrier(len(boards))

    def rate(board: CupyBoard) -> float:
        return bus_rate(board, kind, before=lambda: start.wait(_PATIENCE))

    with ThreadPoolExecutor(len(boards)) as pool:
        found = {device: pool.submit(rate, board) for device, board in boards.items()}
        return {device: future.result() for device, future in found.items()}


def main(arguments: Sequence[str], write: Callable[[str], object]) -> int:
    """Say what they reach. 0 always: that there are no cards is an answer."""
    write(f"{dump_line(examine(arguments[0] if arguments else 'this host'))}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdout.write))
