"""PURE. What nvidia-smi's answers mean for a host: driver, models, memory errors, throttling, the PCIe link."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from fleet.model.checkup import Check, Gpu, Light, Vitals
from fleet.model.inventory import DeviceKind, Host
from fleet.units import format_bytes

_HARD = {0x8: "hardware slowdown", 0x40: "too hot", 0x80: "power brake"}
_SOFT = {0x20: "warm"}
"""NVML's clock event reasons that cost speed. Idle, application clocks and the power cap are no fault."""


def gpu_checks(host: Host, vitals: Vitals) -> Iterator[Check]:
    """The checks about NVIDIA's GPUs; one line only where there are none and none are declared."""
    declared = [device for device in host.devices if device.kind is DeviceKind.CUDA]
    if vitals.gpu_problem is not None or not vitals.gpus:
        seen = vitals.gpu_problem or "no NVIDIA driver (no nvidia-smi)"
        if declared:
            cure = "install NVIDIA's driver there, and restart the host"
            yield Check(name="driver", light=Light.RED, seen=seen, cure=cure)
        elif vitals.gpu_problem is not None:
            cure = "no device of this host needs it; NVIDIA's driver and its kernel module may differ: restart the host"
            yield Check(name="driver", light=Light.AMBER, seen=seen, cure=cure)
        else:
            yield Check(name="driver", light=Light.GREEN, seen="no NVIDIA driver, and no device needs one")
        return
    gpus = vitals.gpus
    yield Check(name="driver", light=Light.GREEN, seen=", ".join(sorted({gpu.driver for gpu in gpus})))
    yield _models(gpus, len(declared))
    yield _memory_errors(gpus)
    yield _throttle(gpus)
    yield _link(gpus)


def _models(gpus: Sequence[Gpu], declared: int) -> Check:
    sizes = (f"{gpu.name} ({format_bytes(gpu.memory)})" if gpu.memory else gpu.name for gpu in gpus)
    seen = ", ".join(f"{count} × {name}" for name, count in Counter(sizes).items())
    if len(gpus) < declared:
        cure = "correct `devices`, or look why the driver does not see the others (dmesg)"
        return Check(name="GPUs", light=Light.RED, seen=f"{seen}, and the inventory declares {declared}", cure=cure)
    return Check(name="GPUs", light=Light.GREEN, seen=seen)


def _memory_errors(gpus: Sequence[Gpu]) -> Check:
    bad = [f"GPU {number}: {gpu.ecc}" for number, gpu in enumerate(gpus) if gpu.ecc]
    if bad:
        cure = "the card's memory fails: nvidia-smi -q -d ECC,ROW_REMAPPER, reset it, replace it if that goes on"
        return Check(name="ECC", light=Light.RED, seen=f"uncorrected errors: {', '.join(bad)}", cure=cure)
    told = any(gpu.ecc is not None for gpu in gpus)
    return Check(
        name="ECC", light=Light.GREEN, seen="no uncorrected errors" if told else "the cards have none, or it is off"
    )


def _throttle(gpus: Sequence[Gpu]) -> Check:
    hard, soft = ([*_reasons(gpus, names)] for names in (_HARD, _SOFT))
    if hard or soft:
        cure = "look at cooling, power supply and power cables: it is slower than its model now"
        return Check(
            name="throttle", light=Light.RED if hard else Light.AMBER, seen=", ".join((*hard, *soft)), cure=cure
        )
    return Check(name="throttle", light=Light.GREEN, seen="none")


def _reasons(gpus: Sequence[Gpu], names: dict[int, str]) -> Iterator[str]:
    for number, gpu in enumerate(gpus):
        for bit, name in names.items():
            if (gpu.throttle or 0) & bit:
                yield f"GPU {number}: {name}"


def _link(gpus: Sequence[Gpu]) -> Check:
    """Lanes only: the generation drops while a GPU is idle, as it may be now."""
    narrow = [
        f"GPU {number}: ×{gpu.link[1]} of ×{gpu.link_max[1]}"
        for number, gpu in enumerate(gpus)
        if gpu.link and gpu.link_max and gpu.link[1] < gpu.link_max[1]
    ]
    if narrow:
        cure = "fewer lanes than the card has: another slot, a better riser, or bifurcation in the firmware"
        return Check(name="PCIe link", light=Light.AMBER, seen=", ".join(narrow), cure=cure)
    found = sorted({f"×{gpu.link_max[1]}, generation {gpu.link_max[0]} at most" for gpu in gpus if gpu.link_max})
    return Check(name="PCIe link", light=Light.GREEN, seen=", ".join(found) or "the driver does not tell")
