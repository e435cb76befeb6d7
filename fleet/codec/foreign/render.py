"""A foreign inventory as the text of fleet's own: commented, shared fields in one place, what was lost listed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace

from fleet.codec import scalars
from fleet.codec.foreign.settle import Wishes, safe_fleet_name, settle
from fleet.codec.foreign.value import Foreign, Format, Lost
from fleet.codec.forms import DeviceForm, HostForm, VariableForm
from fleet.codec.problems import clip
from fleet.errors import ConfigurationError
from fleet.model.inventory import DeviceKind, Ports

_WIDTH = 110
_LONGEST_REMARK = 200
_MAX_LOST = 100
_PLAIN = re.compile(r"[A-Za-z0-9/.][A-Za-z0-9/._@+-]*(?:~[A-Za-z0-9/._@+~-]*)?\Z|~/[A-Za-z0-9/._@+-]*\Z")
_SHARED = ("port", "user", "key", "known_hosts", "connect_timeout", "sudo", "devices", "ports", "python", "work_dir")
_TITLES = {
    Format.ANSIBLE: "an Ansible inventory",
    Format.SSH: "an SSH configuration",
    Format.SUPERBENCH: "a SuperBench host file",
    Format.RAY: "a Ray cluster file",
    Format.SKYPILOT: "SkyPilot's node pools",
}
_UNKNOWN_DEVICES = "check: the source does not say how many devices a host has"
_OPEN = """\
# What fleet can use and the source does not say. A verdict is relative to these; it names those that are missing.
# prices: {gpu: 1600 once, worker: 0.35/hour}   # what one more GPU in a box and one more worker cost
# current: {po2: 20, agents_per_gpu: 1}         # how the fleet runs today
# A host may also have: free_slots: 1 (GPUs that would still fit), spare_power: 300 (watts that are left),
# candidate: true (not in service yet, may be added). All fields: fleet schema inventory
"""


def render(foreign: Foreign, wishes: Wishes, *, made_by: str | None = None) -> str:
    """The text of an inventory that `parse_inventory` takes. ConfigurationError where the wishes do not fit.

    `made_by` is what its first line says; None = the import of the file that `foreign` was read from.
    """
    if wishes.name is not None and (wrong := scalars.wrong(scalars.FleetName, wishes.name)):
        raise ConfigurationError(f"the name {clip(wishes.name)!r}: {wrong}")
    settled, left_out = settle(foreign, wishes)
    silent = wishes.devices is None and any(host.form.devices is None for host in settled)
    forms = {host.name: host.form for host in settled}
    defaults = _shared(list(forms.values()))
    if any(form.devices is None for form in forms.values()):
        defaults = replace(defaults, devices=(wishes.devices or DeviceForm(kind=DeviceKind.CUDA, count=1),))
    forms = {name: _without(form, defaults) for name, form in forms.items()}
    members: dict[str, list[HostForm]] = {}
    for form in forms.values():
        if form.group is not None:
            members.setdefault(form.group, []).append(form)
    groups = {name: _shared(mine) for name, mine in members.items()}
    forms = {name: _without(form, groups[form.group]) if form.group else form for name, form in forms.items()}
    lines = [
        *_head_lines(foreign, (*foreign.lost, *left_out), made_by),
        f"fleet: {_scalar(wishes.name or safe_fleet_name(foreign.name))}",
        "",
        *_OPEN.splitlines(),
        "",
    ]
    if _pairs(defaults):
        lines += [*_entry("defaults", defaults, _UNKNOWN_DEVICES if silent else "", ""), ""]
    if groups:
        lines += ["groups:", *(line for name, form in groups.items() for line in _entry(name, form, "", "  ")), ""]
    lines.append("hosts:")
    for host in settled:
        lines += _entry(host.name, forms[host.name], "; ".join(host.remarks), "  ")
    return "\n".join(lines) + "\n"


def _head_lines(foreign: Foreign, lost: Sequence[Lost], made_by: str | None) -> Iterator[str]:
    imported = f"`fleet inventory import` from {clip(foreign.path, _LONGEST_REMARK)}, {_TITLES[foreign.format]}"
    yield f"# Made by {made_by or imported}."
    yield "# Where a comment says `check`, the source left it open and fleet chose."
    if lost:
        yield "#"
        yield "# Not carried over:"
        yield from (f"# - {item.text}" for item in lost[:_MAX_LOST])
        if len(lost) > _MAX_LOST:
            yield f"# - and {len(lost) - _MAX_LOST} more"


def _shared(forms: Sequence[HostForm]) -> HostForm:
    """What all of several hosts have alike."""
    if len(forms) < 2:  # noqa: PLR2004 (one host shares with nobody)
        return HostForm()
    values = {name: getattr(forms[0], name) for name in _SHARED}
    shared = HostForm(**{n: v for n, v in values.items() if all(getattr(form, n) == v for form in forms)})
    variables = (forms[0].vars or {}).items()
    alike = {name: value for name, value in variables if all((form.vars or {}).get(name) == value for form in forms)}
    return replace(shared, vars=alike or None)


def _without(form: HostForm, above: HostForm) -> HostForm:
    """The form without what it has from above."""
    same = {f.name: None for f in fields(form) if getattr(form, f.name) == getattr(above, f.name)}
    own = {name: value for name, value in (form.vars or {}).items() if (above.vars or {}).get(name) != value}
    return replace(replace(form, **same), vars=own or None)


def _entry(name: str, form: HostForm, remark: str, indent: str) -> Iterator[str]:
    """A name with its fields, on one line where they fit, its remark behind it."""
    pairs = _pairs(form)
    flow = f"{indent}{_scalar(name)}: {{{', '.join(f'{field}: {value}' for field, value in pairs)}}}"
    comment = f"   # {clip(remark, _LONGEST_REMARK)}" if remark else ""
    if len(flow) <= _WIDTH:
        yield flow + comment
        return
    yield f"{indent}{_scalar(name)}:{comment}"
    yield from (f"{indent}  {field}: {value}" for field, value in pairs)


def _pairs(form: HostForm) -> list[tuple[str, str]]:
    values = {field.name: getattr(form, field.name) for field in fields(form)}
    return [(name, _value(value)) for name, value in values.items() if value is not None]


def _value(value: object) -> str:
    match value:
        case tuple():
            return f"[{', '.join(_value(item) for item in value)}]"
        case DeviceForm():
            given = {"kind": value.kind} | {field.name: getattr(value, field.name) for field in fields(value)}
            return f"{{{', '.join(f'{name}: {_value(item)}' for name, item in given.items() if item is not None)}}}"
        case dict():
            return f"{{{', '.join(f'{_scalar(str(name))}: {_value(item)}' for name, item in value.items())}}}"
        case VariableForm():
            return _value(value.text if value.items is None else value.items)
        case Ports():
            return f"{value.first}-{value.last}"
        case _:
            return repr(value).lower() if isinstance(value, bool | int | float) else _scalar(str(value))


def _scalar(text: str) -> str:
    """The text as YAML reads it back, in quotes where it needs them."""
    if _PLAIN.match(text) and text.lower() != "null":
        return text
    return json.dumps(text, ensure_ascii=False)
