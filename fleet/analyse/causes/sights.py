"""What is seen of each suspect where proves take longer in company, against one device alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fleet.analyse.causes.bounds import bus_busy
from fleet.analyse.causes.contrasts import Contrasts
from fleet.analyse.causes.signals import all_share, link_load, of_devices, of_host
from fleet.analyse.evidence.arms import Arm
from fleet.model.conditions import power_capped
from fleet.model.record import TaskKind
from fleet.model.samples import DeviceSample, HostSample
from fleet.twin.calibrate import host_times
from fleet.units import format_share, sizes_title, task_word

EXPLAINED = 0.5
"""Moving bytes explains an inflation where at least this share of the added seconds is its own."""

SATURATED = 0.7
"""A link or bus that is at work for this share of the time makes its users wait."""

PRESSED, PRESSURE_RISE = 0.15, 0.10
"""CPU pressure that counts: the share of the time in which some task waits for a core, and how much more than alone."""

HELD_BACK = 0.05
"""A rise that counts of the share of the time in which a limit holds something back."""

CLOCK_DROP = 0.05
"""A drop of the SM clock below the lone device's that counts."""

IDLE_CPU = 0.5
"""CPUs that are less busy than this hold nobody up."""

SLICED = 0.8
"""φ ≈ a: several agents of a device take at least this share of as many times as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """Whether a suspect is seen where the inflation is (None: nobody looked), and what was seen."""

    there: bool | None
    seen: tuple[str, ...]

    def among(self, others: Sequence[Sight]) -> Sight:
        """By exclusion: there where every other was looked at and none is there, not there where one is."""
        if any(other.there for other in others):
            return replace(self, there=False, seen=(*self.seen, "another suspect is seen"))
        if any(other.there is None for other in others):
            return replace(self, seen=("it leaves no trace of its own, and not all others were looked at",))
        return replace(self, there=True, seen=(*self.seen, "all others were looked at, and none of them is there"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The contrasts, and mean seconds that company adds to a prove and to its moving of bytes; None = not known."""

    contrasts: Contrasts
    added: float | None
    added_transfer: float | None


def scene_of(contrasts: Contrasts) -> Scene:
    """The scene of the layout in service."""
    added, moved = _added(contrasts.alone, contrasts.base, contrasts.host)
    return Scene(contrasts=contrasts, added=added, added_transfer=moved)


def bus_sight(scene: Scene) -> Sight:
    """By what moving bytes adds to a prove; else by the link's load; else by the bus's busy share."""
    base, host = scene.contrasts.base, scene.contrasts.host
    load, busy = of_devices(base, host, link_load), bus_busy(base, host)
    seen = []
    if busy is not None:
        seen.append(f"the bus was busy {format_share(busy)} of the time")
    if load is not None:
        seen.append(f"the links carry {format_share(load)} of what their lanes can")
    if replays := of_devices(base, host, lambda sample: sample.pcie_replays):
        seen.append(f"{replays:.1f} packets were sent again between two samples")
    if scene.added is not None and scene.added_transfer is not None:
        seen.append(f"{scene.added:.2f} s are added; moving bytes takes {scene.added_transfer:.2f} s more than alone")
        return Sight(there=scene.added_transfer >= EXPLAINED * scene.added, seen=tuple(seen))
    level = load if load is not None else busy
    if level is None:
        return _unseen("neither seconds of transfer nor PCIe byte counters were recorded")
    return Sight(there=level >= SATURATED, seen=tuple(seen))


def cpu_sight(scene: Scene) -> Sight:
    """By the pressure on the CPUs (PSI), or by how often a quota held the agents back."""
    pressure, calm = _pair(scene, lambda sample: sample.cpu_pressure)
    held, free = _pair(scene, lambda sample: sample.cpu_throttled)
    seen: list[str] = []
    signs: list[bool | None] = []
    if pressure is not None:
        alone = "" if calm is None else f", alone {format_share(calm)}"
        seen.append(f"some task waited for a core {format_share(pressure)} of the time{alone}")
        signs.append(_pressed(pressure, calm or 0.0))
    if held is not None:
        seen.append(f"a CPU quota held the agents back in {format_share(held)} of its periods")
        signs.append(held - (free or 0.0) >= HELD_BACK)
    if seen:
        return Sight(there=True if True in signs else None if None in signs else False, seen=tuple(seen))
    busy, _ = _pair(scene, lambda sample: sample.cpu_busy)
    if busy is not None and busy < IDLE_CPU:
        return Sight(there=False, seen=(f"the CPUs were busy {format_share(busy)} of the time",))
    return _unseen("neither CPU pressure (PSI) nor throttled periods were recorded")


def power_sight(scene: Scene) -> Sight:
    """By the time in which the power limit kept the clocks down; else by the clocks and the cap's throttle bit."""
    held, free = _device_pair(scene, lambda sample: sample.violation_power)
    if held is not None:
        text = f"the power limit kept the clocks down {format_share(held)} of the time"
        return Sight(there=held - (free or 0.0) >= HELD_BACK, seen=(text, *_clocks(scene)))
    capped = any(power_capped(trial) for trial in scene.contrasts.base.trials)
    return _by_clocks(scene, "the power cap was on" if capped else None)


def thermal_sight(scene: Scene) -> Sight:
    """By the time in which heat kept the clocks down; else by the clocks."""
    held, free = _device_pair(scene, lambda sample: sample.violation_thermal)
    if held is not None:
        text = f"heat kept the clocks down {format_share(held)} of the time"
        return Sight(there=held - (free or 0.0) >= HELD_BACK, seen=(text,))
    return _by_clocks(scene, None)


def memory_sight(scene: Scene) -> Sight:
    """By pages that came from another NUMA node, which is a hint only: what else is there decides."""
    misses, _ = _pair(scene, lambda sample: sample.numa_misses)
    seen = () if misses is None else (f"{misses:,.0f} pages a second came from another NUMA node than was wanted",)
    return Sight(there=None, seen=seen)


def slicing_sight(scene: Scene) -> Sight:
    """By a prove that takes as many times as long as a device has agents, and not for moving bytes."""
    contrasts = scene.contrasts
    stretch, each = contrasts.agents, contrasts.base.layout.agents_per_device
    if stretch is None:
        return _unseen(f"one agent a device was not measured at this {sizes_title()}")
    if all_share(contrasts.base, contrasts.host):
        return Sight(there=False, seen=("MPS is on: agents of a device run side by side",))
    seen = f"with {each} agents each a {task_word()} takes {stretch.value:.2f} times as long as with one"
    added, moved = _added(contrasts.single, contrasts.base, contrasts.host)
    if added is not None and moved is not None and added > 0 and moved >= EXPLAINED * added:
        return Sight(there=False, seen=(seen, f"of {added:.2f} s more, {moved:.2f} s go into moving bytes"))
    return Sight(there=stretch.value >= SLICED * each, seen=(seen,))


def _pressed(pressure: float, calm: float) -> bool | None:
    """Whether company presses the CPUs; None where they are pressed without it, which hides what company adds."""
    if pressure < PRESSED:
        return False
    return True if pressure - calm >= PRESSURE_RISE else None


def _by_clocks(scene: Scene, sign: str | None) -> Sight:
    """Clocks that stay up clear both limits; clocks that fell need a sign to say which."""
    now, alone = _device_pair(scene, lambda sample: sample.sm_clock)
    if now is None or alone is None:
        return _unseen("neither violation times nor clocks were recorded")
    if now >= (1 - CLOCK_DROP) * alone:
        return Sight(there=False, seen=_clocks(scene))
    if sign is None:
        return Sight(there=None, seen=(*_clocks(scene), "nothing says what held them down"))
    return Sight(there=True, seen=(*_clocks(scene), sign))


def _clocks(scene: Scene) -> tuple[str, ...]:
    now, alone = _device_pair(scene, lambda sample: sample.sm_clock)
    if now is None or alone is None:
        return ()
    return (f"SM clock {now / 1e6:.0f} MHz, alone {alone / 1e6:.0f} MHz",)


def _pair(scene: Scene, read: Callable[[HostSample], float | None]) -> tuple[float | None, float | None]:
    """A figure of the box in the layout in service, and with one device alone."""
    contrasts = scene.contrasts
    return of_host(contrasts.base, contrasts.host, read), of_host(contrasts.alone, contrasts.host, read)


def _device_pair(scene: Scene, read: Callable[[DeviceSample], float | None]) -> tuple[float | None, float | None]:
    contrasts = scene.contrasts
    return of_devices(contrasts.base, contrasts.host, read), of_devices(contrasts.alone, contrasts.host, read)


def _added(one: Arm | None, many: Arm, host: str) -> tuple[float | None, float | None]:
    """Mean seconds that a prove takes longer in the second arm than in the first, and its moving of bytes."""
    before = host_times(one.jobs, host, TaskKind.PROVE) if one and one is not many else None
    after = host_times(many.jobs, host, TaskKind.PROVE)
    if before is None or after is None:
        return None, None
    moved = None
    if before.transfer is not None and after.transfer is not None:
        moved = after.transfer - before.transfer
    return after.seconds - before.seconds, moved


def _unseen(what: str) -> Sight:
    return Sight(there=None, seen=(f"not looked at: {what}",))
