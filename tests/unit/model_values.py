"""Values of the model for tests: hypothesis strategies made from the annotations, and a run of plain figures."""

from __future__ import annotations

import dataclasses
import enum
import functools
import importlib
import pkgutil
import types
import typing
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

import fleet.model
from fleet.model.facts import ClockOffset, Facts, Survey
from fleet.model.inventory import (
    Current,
    Device,
    DeviceKind,
    Emulation,
    Host,
    Inventory,
    Login,
    Ports,
    Prices,
    Role,
    SyntheticSettings,
)
from fleet.model.playbook import Secret
from fleet.model.record import JobRecord, Observation, Outcome, RunLog, TaskKind, TaskRecord, TaskState
from fleet.model.samples import DeviceSample, HostSample, Telemetry
from fleet.model.trial import AgentSpec, Budget, Experiment, Layout, Load, Plan, Trial

_UNIONS = (types.UnionType, typing.Union)
_SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=12),
    int: st.integers(min_value=-(2**63), max_value=2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    bytes: st.binary(max_size=12),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=0, max_value=10**12),
    types.NoneType: st.none(),
}


def model_types() -> tuple[Any, ...]:
    """Every class and union of the vocabulary, except the secret, which is never written."""
    found: list[Any] = []
    for module in pkgutil.iter_modules(fleet.model.__path__):
        for item in vars(importlib.import_module(f"fleet.model.{module.name}")).values():
            if item is not Secret and (_is_model(item) or typing.get_origin(item) in _UNIONS) and item not in found:
                found.append(item)
    return tuple(found)


@functools.cache
def values_of(type_: Any) -> st.SearchStrategy[Any]:
    """Any value of a model type."""
    if type_ in _SCALARS:
        return _SCALARS[type_]
    items = typing.get_args(type_)
    if typing.get_origin(type_) in _UNIONS:
        return st.one_of([values_of(item) for item in items])
    if typing.get_origin(type_) is tuple and items[-1] is Ellipsis:
        return st.lists(values_of(items[0]), max_size=2).map(tuple)
    if typing.get_origin(type_) is tuple:
        return st.tuples(*(values_of(item) for item in items))
    return st.sampled_from(list(type_)) if issubclass(type_, enum.Enum) else _objects_of(type_)


def _objects_of(cls: Any) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(cls)
    fields = {field.name: values_of(hints[field.name]) for field in dataclasses.fields(cls)}
    if cls is Observation:  # OK without finished jobs cannot be built
        fields["outcome"] = st.sampled_from([outcome for outcome in Outcome if outcome is not Outcome.OK])
        return st.builds(cls, **fields) | st.just(observation(0))
    return st.builds(cls, **fields)


def _is_model(item: Any) -> bool:
    return isinstance(item, type) and item.__module__.startswith("fleet.model") and dataclasses.is_dataclass(item)


def run_log(id_: str = "20260701-a1b2", *, observations: int = 0, created: float = 1.75e9) -> RunLog:
    """A run of two emulated devices in a box, with that many observations."""
    device = Device(
        name="gpu0",
        kind=DeviceKind.EMULATED,
        model="RTX A4000",
        memory=16 * 2**30,
        emulation=Emulation(cycles_per_second=8e5),
    )
    host = Host(
        name="box",
        role=Role.HEAD,
        login=Login(address="127.0.0.11", port=2211),
        node_address="127.0.0.11",
        devices=(device, dataclasses.replace(device, name="gpu1")),
        ports=Ports(first=20000, last=20299),
        python="python3",
        work_dir=".fleet",
    )
    facts = Facts(
        host="box", system="Linux", kernel="6.1", cpu_model=None, cores=2, memory=2**33, disk_free=None,
        python="3.11.7", ray="2.60.0", fleet="0.1.0",
    )  # fmt: skip
    return RunLog(
        id=id_,
        created=created,
        version="0.1.0",
        inventory=Inventory(
            name="lab",
            path="inventory/lab.yaml",
            hosts=(host,),
            current=Current(po2=20, agents_per_device=1),
            prices=Prices(),
            workload=SyntheticSettings(),
            time_scale=25.0,
        ),
        survey=Survey(facts=(facts,), offsets=(ClockOffset(host="box", offset=1e-3, error=5e-4),)),
        plan=Plan(run=id_, current=layout(), load=Load(iterations=4096), budget=Budget(), seed=7, hosts=("box",)),
        observations=tuple(observation(number) for number in range(observations)),
    )


def layout() -> Layout:
    """One agent on one device."""
    return Layout(agents=(AgentSpec(host="box", device="gpu0"),), po2=20)


def observation(repeat: int, *, tasks: int = 3, samples: int = 4, elapsed: float = 5.25) -> Observation:
    """The `repeat`-th trial, done, with that many tasks and samples of both kinds in turn."""
    trial = Trial(experiment=Experiment.GPUS, layout=layout(), load=Load(iterations=4096), repeat=repeat, seed=11)
    records = tuple(
        TaskRecord(
            id=str(number), kind=TaskKind.PROVE, state=TaskState.DONE, prerequisites=("init",), created=0.0,
            started=number / 3, updated=(number + 1) / 3, agent="box/gpu0#0", host="box", transfer=0.1,
        )
        for number in range(tasks)
    )  # fmt: skip
    job = JobRecord(
        id="job", state=TaskState.DONE, segments=tasks, user_cycles=2**20, total_cycles=2**21, tasks=records,
        digest="00ff",
    )  # fmt: skip
    taken = tuple(
        HostSample(host="box", time=1.75e9 + number / 7, cpu_busy=1 / 3, memory_used=2**40)
        if number % 2
        else DeviceSample(host="box", device="gpu0", time=1.75e9 + number / 7, emulated=True, busy=0.1, throttle=4)
        for number in range(samples)
    )
    return Observation(
        trial=trial, outcome=Outcome.OK, started=1.75e9, elapsed=elapsed, emulated=True, jobs=(job,),
        log=("a line", "naïve \x00 \u2028 line"), telemetry=Telemetry(samples=taken, missed=1),
    )  # fmt: skip
