"""Devices in an inventory file: what their entries may hold, and the named devices that they become."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields

from fleet.codec.forms import DeviceForm, HostForm, InventoryForm
from fleet.codec.problems import Path, Problem, nearest
from fleet.model.inventory import Device, DeviceKind, Emulation

_EMULATED_ONLY = ("cycles_per_second", "overhead", "join", "traffic")
_EMULATED_NEEDS = ("memory", "cycles_per_second")
_MODELS = {DeviceKind.CUDA: "CUDA GPU", DeviceKind.CPU: "CPU", DeviceKind.EMULATED: "GPU"}


def make_devices(entries: tuple[DeviceForm, ...], kinds: Mapping[str, DeviceForm]) -> tuple[Device, ...]:
    """The devices of one host, named gpu0, gpu1, … and cpu0, cpu1, … in the order of the entries."""
    devices: list[Device] = []
    for entry in entries:
        form = kinds[entry.type] if entry.type else entry
        for _ in range(entry.count or 1):
            prefix = "cpu" if form.kind is DeviceKind.CPU else "gpu"
            number = sum(device.name.startswith(prefix) for device in devices)
            devices.append(_device(f"{prefix}{number}", form, entry.type))
    return tuple(devices)


def _device(name: str, form: DeviceForm, type_name: str | None) -> Device:
    kind = form.kind or DeviceKind.CUDA
    emulation = None
    if kind is DeviceKind.EMULATED:
        emulation = Emulation(
            cycles_per_second=form.cycles_per_second or 0.0,
            overhead=form.overhead or 0.0,
            join=form.join or 0.0,
            traffic=form.traffic or 0.0,
        )
    model = form.model or type_name or _MODELS[kind]
    return Device(name=name, kind=kind, model=model, memory=form.memory, emulation=emulation, mps=form.mps)


def device_problems(form: InventoryForm) -> Iterator[Problem]:
    """What makes no sense in the device entries, of kinds and of hosts."""
    for name, kind in form.devices.items():
        yield from _kind_problems(("devices", name), kind)
    places: dict[Path, HostForm] = {("defaults",): form.defaults}
    places |= {("groups", name): group for name, group in form.groups.items()}
    places |= {("hosts", name): host for name, host in form.hosts.items()}
    for path, place in places.items():
        for index, entry in enumerate(place.devices or ()):
            yield from _entry_problems((*path, "devices", index), entry, form.devices)


def _kind_problems(path: Path, form: DeviceForm) -> Iterator[Problem]:
    for field in ("type", "count"):
        if getattr(form, field) is not None:
            yield Problem(path=(*path, field), text="belongs to the devices of a host, not to a kind of device")
    yield from _own_problems(path, form)


def _entry_problems(path: Path, form: DeviceForm, kinds: Mapping[str, DeviceForm]) -> Iterator[Problem]:
    if form.type is None:
        if form.kind is None:
            yield Problem(path=path, text="expected the name of a device, or `type`, or `kind`")
        yield from _own_problems(path, form)
        return
    if form.type not in kinds:
        text = f"there is no `{form.type}` under `devices`{nearest(form.type, kinds)}"
        yield Problem(path=path, text=text)
    for field in (field.name for field in fields(form)):
        if field not in {"type", "count"} and getattr(form, field) is not None:
            yield Problem(path=(*path, field), text="does not go with `type`: make another entry under `devices`")


def _own_problems(path: Path, form: DeviceForm) -> Iterator[Problem]:
    if form.kind is None:
        yield Problem(path=(*path, "kind"), text=f"is missing: one of {', '.join(DeviceKind)}")
    emulated = form.kind is DeviceKind.EMULATED
    for field in _EMULATED_NEEDS:
        if emulated and getattr(form, field) is None:
            yield Problem(path=(*path, field), text="is missing: an emulated device declares it")
    for field in _EMULATED_ONLY:
        if not emulated and getattr(form, field) is not None:
            yield Problem(path=(*path, field), text="is for emulated devices only (`kind: emulated`)")
    if form.mps is not None and form.kind not in {None, DeviceKind.CUDA}:
        yield Problem(path=(*path, "mps"), text="is for CUDA devices only (`kind: cuda`)")
