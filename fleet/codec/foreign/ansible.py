"""Ansible's inventories: INI (SuperBench's `local.ini` is one), YAML or `--list` output, and the files beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePosixPath

from fleet.codec.foreign.ansible_ini import read_ini
from fleet.codec.foreign.ansible_tree import FileVariables, Tree, TreeHost
from fleet.codec.foreign.ansible_yaml import read_tree
from fleet.codec.foreign.fields import SECRET, as_variable, field_names, is_expression, read_fields
from fleet.codec.foreign.typed import read_typed
from fleet.codec.foreign.value import Foreign, ForeignHost, Format, Lost, Plain, Source, Variables
from fleet.codec.forms import VariableForm
from fleet.errors import ConfigurationError

_YAML = frozenset({".yaml", ".yml", ".json"})
_OWN = "fleet_"
_RESERVED = ("ansible_", _OWN)
_VAULT = "$ANSIBLE_VAULT"

_FIELDS = {
    "ansible_host": "address",
    "ansible_ssh_host": "address",
    "ansible_port": "port",
    "ansible_ssh_port": "port",
    "ansible_user": "user",
    "ansible_ssh_user": "user",
    "ansible_private_key_file": "key",
    "ansible_ssh_private_key_file": "key",
    "ansible_python_interpreter": "python",
    "ansible_become": "sudo",
}
"""Which variable is which field; a later one wins over an earlier, as in Ansible's `ssh` connection."""

_REMOTE = frozenset({"ssh", "smart", "paramiko", "paramiko_ssh", "ansible.builtin.ssh", "ansible.builtin.paramiko_ssh"})
_LOCAL = frozenset({"local", "ansible.builtin.local"})
_OPTIONS = frozenset({"ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args"})
_SUDO = frozenset({"sudo", "ansible.builtin.sudo", "community.general.sudo"})
_SILENT = frozenset({"ansible_connection", "ansible_group_priority", "ansible_become_method"})


def read_ansible(main: Source, beside: Mapping[str, Source], *, format_: Format = Format.ANSIBLE) -> Foreign:
    """The inventory in a text. `beside`: its `group_vars` and `host_vars` files by their path from its folder."""
    if main.text.startswith(_VAULT):
        raise ConfigurationError(f"{main.path}: encrypted by ansible-vault", hint="ansible-vault view it into a copy")
    tree, lost = _tree(main)
    losses = list(lost)
    hosts, groups = tree.finish(_file_variables(beside, losses))
    found = tuple(_hosts(hosts, losses))
    _note_fieldless(main.path, hosts, losses)
    name = next((text for host in hosts if isinstance(text := host.variables.get("fleet_name"), str)), "")
    stem = PurePosixPath(main.path).stem
    return Foreign(
        format=format_, path=main.path, name=name or stem, hosts=found, groups=groups, lost=tuple(dict.fromkeys(losses))
    )


def _tree(main: Source) -> tuple[Tree, tuple[Lost, ...]]:
    """As Ansible does: by the file's ending, and where it has none that tells, YAML if it is a mapping, else INI."""
    suffix = PurePosixPath(main.path).suffix
    if suffix in _YAML or (suffix == "" and _is_mapping(main)):
        typed = read_typed(main.text, main.path)
        tree, lost = read_tree(typed)
        return tree, (*typed.lost, *lost)
    return read_ini(main.text, main.path), ()


def _is_mapping(main: Source) -> bool:
    try:
        return isinstance(read_typed(main.text, main.path).value, dict)
    except ConfigurationError:
        return False


def _file_variables(beside: Mapping[str, Source], lost: list[Lost]) -> FileVariables:
    """Variables of a group or host from the files beside, each read once."""
    known: dict[tuple[str, str], Variables] = {}

    def variables(kind: str, name: str) -> Variables:
        if (kind, name) not in known:
            merged: dict[str, Plain] = {}
            for source in _files(beside, PurePosixPath(f"{kind}_vars") / name):
                merged |= _variables_of(source, lost)
            known[kind, name] = merged
        return known[kind, name]

    return variables


def _files(beside: Mapping[str, Source], stem: PurePosixPath) -> Iterator[Source]:
    """The file of that name, or all in the folder of that name, or the one with an ending: the first that is there."""
    if str(stem) in beside:
        yield beside[str(stem)]
        return
    inside = sorted((path for path in map(PurePosixPath, beside) if stem in path.parents), key=lambda path: path.parts)
    if inside:
        yield from (beside[str(path)] for path in inside if _counts(path.relative_to(stem)))
        return
    named = (beside.get(f"{stem}{ending}") for ending in (".yml", ".yaml", ".json"))
    yield from [source for source in named if source][:1]


def _counts(path: PurePosixPath) -> bool:
    """Whether Ansible reads this file below a folder of variables: nothing hidden, no backups, known endings."""
    *folders, file = path.parts
    if any(part.startswith(".") or part.endswith("~") for part in path.parts):
        return False
    return path.suffix in _YAML | {""} and not any(PurePosixPath(folder).suffix for folder in folders) and bool(file)


def _variables_of(source: Source, lost: list[Lost]) -> dict[str, Plain]:
    if source.text.startswith(_VAULT):
        lost.append(
            Lost(where=source.path, what="the file", why="encrypted by ansible-vault: fleet does not decrypt it")
        )
        return {}
    typed = read_typed(source.text, source.path)
    lost.extend(typed.lost)
    if typed.value and not isinstance(typed.value, dict):
        raise ConfigurationError(f"{source.path}: expected variables, found no mapping")
    return typed.value if isinstance(typed.value, dict) else {}


def _hosts(hosts: Sequence[TreeHost], lost: list[Lost]) -> Iterator[ForeignHost]:
    for host in hosts:
        connection = host.variables.get("ansible_connection", "ssh")
        if connection not in _REMOTE | _LOCAL:
            lost.append(Lost(where=host.where, what=host.name, why="left out: fleet reaches hosts by SSH only"))
            continue
        raw = {field: host.variables[name] for name, field in _FIELDS.items() if name in host.variables}
        if str(raw.get("python", "")).startswith("auto"):
            del raw["python"]
        if "sudo" in raw and host.variables.get("ansible_become_method", "sudo") not in _SUDO:
            lost.append(Lost(where=host.where, what="ansible_become_method", why="fleet becomes root by sudo only"))
            del raw["sudo"]
        own = {name: host.variables.get(f"{_OWN}{name}") for name in field_names()}
        raw |= {name: value for name, value in own.items() if value is not None and name != "group"}
        form, unfit = read_fields({"address": host.name, **raw}, host.where)
        form = replace(form, vars=_own_variables(host) or None)
        lost.extend(unfit)
        if form.address is None:
            lost.append(Lost(where=host.where, what=host.name, why="left out: its address is not known"))
            continue
        local = "ran on the machine of the controller itself: fleet reaches it by SSH" if connection in _LOCAL else ""
        group = own["group"]
        groups = (group, *host.groups) if isinstance(group, str) and group else host.groups
        yield ForeignHost(
            name=host.name,
            where=host.where,
            form=form,
            groups=tuple(dict.fromkeys(groups)),
            variables=host.variables,
            remark=local,
        )


def _own_variables(host: TreeHost) -> dict[str, VariableForm]:
    """What playbooks of the operator's own may name: all that is neither Ansible's, nor fleet's, nor a secret."""
    found: dict[str, VariableForm] = {}
    for name, value in host.variables.items():
        if not (name.startswith(_RESERVED) or SECRET.search(name) or is_expression(value)):
            with suppress(ValueError):
                found[name] = as_variable(name, value)
    return found


def _note_fieldless(path: str, hosts: Sequence[TreeHost], lost: list[Lost]) -> None:
    """Name, once a kind, the variables that fleet's inventory does not take; never their values."""
    known = {*_FIELDS, *_SILENT, f"{_OWN}name", *(f"{_OWN}{name}" for name in field_names())}
    names = {name for host in hosts for name in host.variables if name not in _own_variables(host)} - known
    secret = {name for name in names if SECRET.search(name)}
    options = names & _OPTIONS
    reserved = {name for name in names if name.startswith(_RESERVED)} - secret
    expressions = {n for n in names for host in hosts if is_expression(host.variables.get(n))} - secret - options
    for found, why in (
        (secret, "a secret is never copied"),
        (options, "SSH options: fleet reads them from ~/.ssh/config"),
        (expressions, "an expression is not evaluated"),
        (reserved - options - expressions, "fleet's inventory has no field for it"),
        (names - reserved - secret - expressions, "fleet's variables are texts and lists of texts"),
    ):
        if found:
            shown = sorted(found)
            more = f", and {len(shown) - 8} more" if len(shown) > 8 else ""  # noqa: PLR2004 (what fits a line)
            lost.append(Lost(where=path, what=", ".join(shown[:8]) + more, why=why))
