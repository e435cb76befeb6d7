"""Inventory files to `Inventory`: groups and defaults folded, gaps filled, all of it checked. The format: forms.py."""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path as FilePath

from fleet.codec import scalars
from fleet.codec.checks import fleet_problems
from fleet.codec.command import CommandForm, command_problems, command_settings, position_now
from fleet.codec.devices import device_problems, make_devices
from fleet.codec.document import Document, home_expanded, parse_document, read_as, read_file
from fleet.codec.forms import VARIABLE, BentoForm, HostForm, InventoryForm, VariableForm, WorkloadForm
from fleet.codec.problems import Problem, nearest
from fleet.model.bento import BentoSettings, Stack
from fleet.model.inventory import (
    Current,
    DeviceKind,
    Host,
    Inventory,
    Login,
    Ports,
    Prices,
    Role,
    SyntheticSettings,
    Variable,
)

_PORTS = Ports(first=20000, last=20299)
_LAB_FIRST_ADDRESS = ipaddress.IPv4Address("127.0.0.11")
_LAB_FIRST_SSH_PORT = 2211
_CARD_COLUMNS = 2
"""Of traces for cards: 8 MiB for 2^20 cycles, what a real segment weighs on its way to a worker (5 to 10 MB)."""


def load_inventory(path: str) -> Inventory:
    """The inventory in a file. ConfigurationError with file, line, field and what was expected."""
    return parse_inventory(read_file(path), path)


def parse_inventory(text: str, path: str) -> Inventory:
    """The inventory in a text; `path` is for messages and the folder that keys are relative to."""
    document = parse_document(text, path)
    form = read_as(InventoryForm, document)
    _refuse(document, _name_problems(form))
    _refuse(document, _variable_problems(form))
    _refuse(document, device_problems(form))
    _refuse(document, _bento_problems(form.bento))
    _refuse(document, _command_problems(form))
    inventory = _inventory(form, path)
    _refuse(document, fleet_problems(inventory))
    return inventory


def _refuse(document: Document, found: Iterator[Problem]) -> None:
    for problem in found:
        raise document.error(problem.path, problem.text)


def _inventory(form: InventoryForm, path: str) -> Inventory:
    given, plain = form.workload, SyntheticSettings()
    hosts = tuple(_host(form, name, path) for name in form.hosts)
    cards = any(device.kind is DeviceKind.CUDA for host in hosts for device in host.devices)
    inventory = Inventory(
        name=form.fleet,
        path=path,
        hosts=hosts,
        current=Current(po2=form.current.po2, agents_per_device=form.current.agents_per_gpu),
        prices=Prices(
            currency=form.currency or "USD",
            gpu=form.prices.gpu,
            worker=form.prices.worker,
            replica=form.prices.replica,
        ),
        workload=SyntheticSettings(
            iterations=given.iterations or plain.iterations,
            executor_rate=given.executor_rate or plain.executor_rate,
            columns=given.columns or (_CARD_COLUMNS if cards else plain.columns),
            trace_po2=given.trace_po2 or plain.trace_po2,
            effort=given.effort or plain.effort,
        ),
        time_scale=(form.lab.time_scale if form.lab else None) or 1.0,
        bento=_bento(form.bento) if form.bento else None,
    )
    if form.command:
        return _commanded(inventory, form.command)
    return replace(inventory, po2_range=form.po2_range) if form.po2_range else inventory


def _commanded(inventory: Inventory, form: CommandForm) -> Inventory:
    """The inventory of a command's fleet: a layout's po2 is the position of its knobs, a load's iterations its runs."""
    command = command_settings(form)
    return replace(
        inventory,
        command=command,
        current=replace(inventory.current, po2=position_now(form)),
        workload=replace(inventory.workload, iterations=command.items),
        po2_range=(0, command.settings - 1),
    )


def _command_problems(form: InventoryForm) -> Iterator[Problem]:
    """What is wrong in the command, and what does not go with one."""
    if form.command is None:
        return
    yield from command_problems(form.command)
    why = "does not go with `command`"
    if form.bento is not None:
        yield Problem(path=("bento",), text=f"{why}: one of the two is measured")
    if form.workload != WorkloadForm():
        yield Problem(path=("workload",), text=f"{why}: it is about fleet's own guest")
    if form.po2_range is not None:
        yield Problem(path=("po2_range",), text=f"{why}: its settings are the values of its `knobs`")
    if form.current.po2 is not None:
        yield Problem(path=("current", "po2"), text=f"{why}: a knob says its value in service as `now`")


def _bento(form: BentoForm) -> BentoSettings:
    return BentoSettings(
        compose=form.compose,
        env_file=form.env_file,
        project=form.project,
        stack=form.stack,
        database=form.database,
        api=form.api,
        elf=form.elf,
        stdin=form.stdin,
        cli=form.cli,
    )


def _bento_problems(form: BentoForm | None) -> Iterator[Problem]:
    """A program without its input, a database where there is none."""
    if form is None:
        return
    pair = {"elf": form.elf, "stdin": form.stdin}
    for missing, other in (("elf", "stdin"), ("stdin", "elf")):
        if pair[missing] is None and pair[other] is not None:
            text = f"a program and its input go together: give `{missing}`, too"
            yield Problem(path=("bento", other), text=text)
    if form.stack is Stack.CURRENT and form.database is not None:
        text = "the current stack has no PostgreSQL: leave it out, or say `stack: legacy`"
        yield Problem(path=("bento", "database"), text=text)


def _host(form: InventoryForm, name: str, path: str) -> Host:
    own = form.hosts[name]
    group = own.group or form.defaults.group
    host = own.over(form.groups[group] if group else HostForm()).over(form.defaults)
    lab = form.lab is not None and host.lab is not False
    if lab:
        host = host.over(_lab_host(name, tuple(form.hosts).index(name)))
    address = host.address or name
    login = Login(
        address=address,
        port=host.port or 22,
        user=host.user,
        key=_absolute(host.key, path),
        known_hosts=_absolute(host.known_hosts, path),
        connect_timeout=host.connect_timeout or 10.0,
        sudo=host.sudo_password_command is not None if host.sudo is None else host.sudo,
        sudo_password_command=host.sudo_password_command,
        key_passphrase_command=host.key_passphrase_command,
    )
    return Host(
        name=name,
        role=host.role or (Role.HEAD if len(form.hosts) == 1 else Role.WORKER),
        login=login,
        node_address=host.node_address or address,
        devices=make_devices(host.devices or (), form.devices),
        ports=host.ports or _PORTS,
        python=host.python or "python3",
        work_dir=host.work_dir or ".fleet",
        group=group,
        candidate=host.candidate or False,
        drained=host.drained or False,
        cost=host.cost,
        bus=host.bus,
        free_slots=host.free_slots,
        spare_power=host.spare_power,
        lab=lab,
        variables=_variables(form.vars | (host.vars or {}), path),
    )


def _variables(forms: Mapping[str, VariableForm], path: str) -> tuple[Variable, ...]:
    return tuple(
        Variable(
            name=name,
            text=form.text,
            items=form.items,
            from_env=form.from_env,
            from_file=_absolute(form.from_file, path),
            from_command=form.from_command,
        )
        for name, form in sorted(forms.items())
    )


def _variable_problems(form: InventoryForm) -> Iterator[Problem]:
    """Names that no expression could name, and variables that hold nothing or two things."""
    places: list[tuple[tuple[str, ...], Mapping[str, VariableForm]]] = [
        (("vars",), form.vars),
        (("defaults", "vars"), form.defaults.vars or {}),
        *((("groups", name, "vars"), group.vars or {}) for name, group in form.groups.items()),
        *((("hosts", name, "vars"), host.vars or {}) for name, host in form.hosts.items()),
    ]
    for place, variables in places:
        for name, variable in variables.items():
            if not VARIABLE.fullmatch(name):
                yield Problem(path=(*place, name), text="expected a name of letters, digits and _, such as api_token")
            given = [field.name for field in fields(variable) if getattr(variable, field.name) is not None]
            if len(given) != 1:
                kinds = "expected a text, a list, or one of from_env, from_file, from_command"
                yield Problem(path=(*place, name), text=f"{kinds}, found {' and '.join(given) or 'none of them'}")
            if variable.from_command == ():
                yield Problem(path=(*place, name), text="expected the words of a program, found none")


def _lab_host(name: str, index: int) -> HostForm:
    """What a lab's host need not say: hosts share one machine, so address, ports and folder must differ."""
    width = _PORTS.last - _PORTS.first + 1
    first = _PORTS.first + width * index
    return HostForm(
        address=str(_LAB_FIRST_ADDRESS + index),
        port=_LAB_FIRST_SSH_PORT + index,
        ports=Ports(first=first, last=first + width - 1),
        python=sys.executable,
        work_dir=f".fleet/{name}",
    )


def _absolute(file: str | None, inventory: str) -> str | None:
    if file is None:
        return None
    folder = FilePath(home_expanded(inventory)).parent
    return os.path.abspath(folder / home_expanded(file))  # noqa: PTH100 (links stay as written)


def _name_problems(form: InventoryForm) -> Iterator[Problem]:
    for section in ("hosts", "groups", "devices"):
        for name in getattr(form, section):
            if wrong := scalars.wrong(scalars.Name, name):
                yield Problem(path=(section, name), text=wrong)
    for name, group in form.groups.items():
        if group.group is not None:
            yield Problem(path=("groups", name, "group"), text="a group cannot be in a group")
    users = {("hosts", name): host.group for name, host in form.hosts.items()} | {("defaults",): form.defaults.group}
    for path, wanted in users.items():
        if wanted is not None and wanted not in form.groups:
            text = f"there is no group `{wanted}`{nearest(wanted, form.groups)}"
            yield Problem(path=(*path, "group"), text=text)
