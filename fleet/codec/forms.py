"""The inventory file as people write it, and its format.

.. code-block:: yaml

    fleet: lab                    # the only field that must be there, besides hosts
    currency: EUR                 # default USD
    prices: {gpu: 900 once, worker: 0.35/hour}  # and `replica`: a second cluster as large as this one
    current: {po2: 20, agents_per_gpu: 1}       # how the fleet runs today
    workload: {iterations: 4096, executor_rate: 20MHz, columns: 8, trace_po2: 8}  # and `effort`: 256, of cards
    po2_range: [18, 22]           # segment sizes that may be tried
    lab: {backend: loopback, time_scale: 25}    # hosts are made on this machine, devices run 25 times as fast

    defaults:                     # any field of a host, for every host
      connect_timeout: 5s
    groups:
      box: {bus: 2GB/s}           # any field of a host, for the hosts of the group
    devices:                      # named kinds of device
      rtx-a4000:
        kind: emulated            # cuda, cpu or emulated; the fields below `memory` are for emulated ones only
        model: RTX A4000
        memory: 16GiB
        cycles_per_second: 800kHz
        overhead: 0.1s
        join: 1s
        traffic: 4096             # bytes over the bus per cycle of a segment
    hosts:
      box:
        role: head                # exactly one host is the head
        group: box
        address: 127.0.0.11
        devices: [rtx-a4000, rtx-a4000]   # or {type: rtx-a4000, count: 2}, or {kind: cpu, count: 2}
        free_slots: 1             # GPUs that would still fit
        spare_power: 300          # watts that are left
      far-1:
        address: 127.0.0.12
        devices: [rtx-a4000]
        candidate: true           # not in service yet, may be added

A host's field wins over its group's, and that over `defaults`. Further fields of a host, with their defaults: `port`
(22), `user`, `key` and `known_hosts` (SSH's own; relative to this file), `sudo` (false: whether what needs root goes
through sudo), `sudo_password_command` (`pass show fleet/box`: a program of this machine that prints sudo's password;
without it sudo wants none, or you are asked), `key_passphrase_command` (likewise for a key that a passphrase locks and
no agent holds; without it you are asked), `node_address` (the address), `python`
(python3, on the host's PATH), `work_dir` (.fleet in the user's home), `ports` (20000-20299: everything that fleet and
Ray open on the host lies there), `drained` (false; true: it gets no new task), `cost` (of this very host; else as
`prices` say), `lab` (false for a real host among those of a lab). Without `address` a host is reached by its name. A
lab's host needs no address, port, ports, python or work_dir: they follow from its place.

What playbooks call `{{ vars.domain }}` stands under `vars`, for the fleet, in `defaults`, of a group or of a host; the
nearest one counts:

.. code-block:: yaml

    vars:
      domain: example.org
      peers: [10.0.0.1, 10.0.0.2]
      token: {from_env: API_TOKEN}      # a secret: or from_file: token.txt, from_command: [pass, show, fleet/token]

A Bento cluster that is there already is measured in place of fleet's own guest on Ray. Paths are the head's:

.. code-block:: yaml

    bento:
      compose: /opt/boundless/compose.yml       # the only field that must be there
      env_file: /opt/boundless/.env.broker      # as compose is given it with --env-file
      project: boundless                        # compose's -p, where it is not the folder's name
      stack: legacy                             # or current; found out where it is left out
      database: postgresql://worker@127.0.0.1:5432/taskdb   # as the head sees it; a password is read from the env file
      api: http://127.0.0.1:8081                # the REST API as the head sees it
      elf: /opt/guest.elf                       # a real program, with `stdin`; else workload.iterations of the guest
      stdin: /opt/input.bin
      cli: /usr/local/bin/bento_cli             # its words on the head; else it runs in the container that has it

Any other program is measured in place of the guest by a `command`. Each agent runs it, on its own device
(CUDA_VISIBLE_DEVICES is set, or it is pinned to its core), and the figure is read from what it prints. Names in braces
are replaced: the knobs', and {host}, {device}, {slot}, {item}, {agents}. All fields but the first two may be left out:

.. code-block:: yaml

    command:
      run: [python3, bench.py, --batch, "{batch}"]   # or a text, split into words; `shell: true` gives it to /bin/sh -c
      unit: samples/s                                # what every figure is said in
      metric: {regex: "throughput: ([0-9.]+)"}       # the last match counts; or json: results.throughput
                                                     # tells: rate (units a second), or work (units that this run did)
      work: 100                                      # without a metric: the units that each run is worth
      items: 32                                      # runs that a job shares out; where runs tell a rate, of each agent
      knobs: {batch: {values: [16, 32, 64, 128], now: 32}}   # turned together, the least demanding first
      env: {OMP_NUM_THREADS: 1}
      directory: /srv/bench
      warm_up: 1                                     # runs of each agent before they count
      timeout: 10m                                   # of one run; it and all that it started are killed then
      out_of_memory: [CUDA out of memory]            # texts that say so; else the usual ones
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Annotated

from fleet.codec import scalars as s
from fleet.codec.command import CommandForm
from fleet.codec.schema import Shorthand
from fleet.model.bento import Stack
from fleet.model.inventory import DeviceKind, Role


class LabKind(StrEnum):
    """How a lab makes its hosts."""

    LOOPBACK = "loopback"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceForm:
    """A kind of device under `devices`, or one or more devices of a host."""

    type: s.Name | None = None
    count: s.Count | None = None
    kind: DeviceKind | None = None
    model: s.Label | None = None
    memory: s.Size | None = None
    cycles_per_second: s.Hertz | None = None
    overhead: s.Duration | None = None
    join: s.Duration | None = None
    traffic: s.Number | None = None
    mps: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableForm:
    """What stands under a name of `vars`: a text, a list of texts, or where a secret is found."""

    text: str | None = None
    items: tuple[str, ...] | None = None
    from_env: str | None = None
    from_file: s.Path | None = None
    from_command: tuple[str, ...] | None = None


VARIABLE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
"""What a variable may be called, so that an expression can name it."""
Variables = dict[str, Annotated[VariableForm, Shorthand(field="text", items="items")]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostForm:
    """A host, a group, or the defaults: every field may be left out."""

    role: Role | None = None
    group: s.Name | None = None
    address: s.Address | None = None
    port: s.Port | None = None
    user: s.User | None = None
    key: s.Path | None = None
    known_hosts: s.Path | None = None
    connect_timeout: s.Timeout | None = None
    sudo: s.Boolean | None = None
    sudo_password_command: s.Words | None = None
    key_passphrase_command: s.Words | None = None
    node_address: s.Address | None = None
    devices: tuple[Annotated[DeviceForm, Shorthand(field="type")], ...] | None = None
    ports: s.PortRange | None = None
    python: s.Path | None = None
    work_dir: s.Path | None = None
    candidate: s.Boolean | None = None
    drained: s.Boolean | None = None
    cost: s.Cost | None = None
    bus: s.Bandwidth | None = None
    free_slots: s.Slots | None = None
    spare_power: s.Number | None = None
    lab: s.Boolean | None = None
    vars: Variables | None = None

    def over(self, below: HostForm) -> HostForm:
        """This form, with what it leaves out taken from the one below."""
        missing = {f.name: getattr(below, f.name) for f in fields(self) if getattr(self, f.name) is None}
        if self.vars is not None and below.vars is not None:
            missing["vars"] = below.vars | self.vars
        return replace(self, **missing)


@dataclass(frozen=True, slots=True, kw_only=True)
class PricesForm:
    """What one more of each costs; `replica` is a second cluster as large as the one in service."""

    gpu: s.Cost | None = None
    worker: s.Cost | None = None
    replica: s.Cost | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentForm:
    """How the fleet runs today."""

    po2: s.Po2 | None = None
    agents_per_gpu: s.Count | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadForm:
    """The synthetic guest."""

    iterations: s.Iterations | None = None
    executor_rate: s.Hertz | None = None
    columns: s.Columns | None = None
    trace_po2: s.SmallPo2 | None = None
    effort: s.Effort | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabForm:
    """That the hosts are made on this machine, and how."""

    backend: LabKind
    time_scale: s.Scale | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BentoForm:
    """The Bento cluster that is measured; paths are the head's."""

    compose: s.HeadPath
    env_file: s.HeadPath | None = None
    project: s.Project | None = None
    stack: Stack | None = None
    database: s.DatabaseUrl | None = None
    api: s.ApiUrl | None = None
    elf: s.HeadPath | None = None
    stdin: s.HeadPath | None = None
    cli: s.Words | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryForm:
    """The whole file."""

    fleet: s.FleetName
    hosts: dict[str, HostForm]
    currency: s.Currency | None = None
    prices: PricesForm = PricesForm()
    current: CurrentForm = CurrentForm()
    workload: WorkloadForm = WorkloadForm()
    po2_range: tuple[s.Po2, s.Po2] | None = None
    lab: LabForm | None = None
    bento: BentoForm | None = None
    command: CommandForm | None = None
    defaults: HostForm = HostForm()
    vars: Variables = field(default_factory=dict)
    groups: dict[str, HostForm] = field(default_factory=dict)
    devices: dict[str, DeviceForm] = field(default_factory=dict)
