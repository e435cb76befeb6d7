"""Which tool's inventory a file is, and the files that belong to it; the only module here that reads files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from fleet.codec.document import home_expanded, read_file
from fleet.codec.foreign.ansible import read_ansible
from fleet.codec.foreign.clusters import read_ray, read_skypilot
from fleet.codec.foreign.ssh_config import Include, read_ssh_config
from fleet.codec.foreign.typed import read_typed
from fleet.codec.foreign.value import Foreign, Format, Source
from fleet.errors import ConfigurationError

_VARIABLE_FOLDERS = ("group_vars", "host_vars")
_MAX_FILES = 2000
_SSH_LINE = re.compile(r"^\s*(?:host|match)[ \t=]+\S", re.IGNORECASE | re.MULTILINE)
_SECTION = re.compile(r"^\s*\[", re.MULTILINE)
_RAY_KEYS = frozenset({"provider", "cluster_name"})


def load_foreign(path: str, format_: Format | None) -> Foreign:
    """The inventory of another tool in a file and in those that belong to it. ConfigurationError with file and line."""
    file = Path(home_expanded(path))
    if file.is_dir():
        raise ConfigurationError(f"{path}: a folder: name one inventory file in it")
    if not file.exists():
        raise ConfigurationError(f"{path}: there is no such file", hint="expected another tool's inventory")
    main = Source(path=path, text=read_file(path))
    format_ = format_ or detect(main)
    beside = _beside(path) if format_ in {Format.ANSIBLE, Format.SUPERBENCH} else {}
    return read_foreign(main, format_, beside=beside, include=_include)


def read_foreign(
    main: Source, format_: Format, *, beside: Mapping[str, Source] | None = None, include: Include = lambda _: ()
) -> Foreign:
    """The inventory in a text. `beside`: Ansible's variable files by path; `include`: ssh's included files."""
    if main.text.startswith("#!"):
        raise ConfigurationError(
            f"{main.path}:1: a dynamic inventory (a program): fleet does not run it",
            hint=f"ansible-inventory -i {main.path} --list > hosts.json, then import that",
        )
    found = _read(main, format_, beside or {}, include)
    if not found.hosts:
        why = "; ".join(lost.text for lost in found.lost[:3]) or None
        raise ConfigurationError(f"{main.path}: no host in it that fleet could reach", hint=why)
    return found


def _read(main: Source, format_: Format, beside: Mapping[str, Source], include: Include) -> Foreign:
    match format_:
        case Format.ANSIBLE | Format.SUPERBENCH:
            return read_ansible(main, beside, format_=format_)
        case Format.SSH:
            return read_ssh_config(main, include)
        case Format.RAY:
            return read_ray(main)
        case Format.SKYPILOT:
            return read_skypilot(main)


def detect(main: Source) -> Format:
    """Whose inventory a text is, by its shape. Ansible's where nothing speaks for another."""
    suffix = PurePosixPath(main.path).suffix
    if suffix not in {".yaml", ".yml", ".json"}:
        is_ssh = _SSH_LINE.search(main.text) and not _SECTION.search(main.text)
        return Format.SSH if is_ssh else Format.ANSIBLE
    value = read_typed(main.text, main.path).value
    if isinstance(value, dict) and set(value) >= _RAY_KEYS:
        return Format.RAY
    pools = list(value.values()) if isinstance(value, dict) else []
    if pools and all(isinstance(pool, dict) and isinstance(pool.get("hosts"), list) for pool in pools):
        listed = isinstance(value, dict) and "_meta" in value
        return Format.ANSIBLE if listed else Format.SKYPILOT
    return Format.ANSIBLE


def _beside(path: str) -> dict[str, Source]:
    """The variable files next to an Ansible inventory, by their path from its folder."""
    folder = Path(home_expanded(path)).parent
    shown = Path(path).parent
    found: dict[str, Source] = {}
    for file in (file for name in _VARIABLE_FOLDERS for file in _files(folder / name)):
        if len(found) == _MAX_FILES:
            raise ConfigurationError(f"{shown}: more than {_MAX_FILES:,} files of variables")
        relative = file.relative_to(folder)
        found[relative.as_posix()] = Source(path=str(shown / relative), text=read_file(str(file)))
    return found


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            file = Path(parent) / name
            if file.is_file() and not name.startswith(".") and file.suffix in {"", ".yml", ".yaml", ".json"}:
                yield file


def _include(pattern: str) -> Sequence[Source]:
    """As ssh takes it for a user's configuration: relative to ~/.ssh, wildcards in order; what is not there is none."""
    full = Path(home_expanded("~/.ssh")) / home_expanded(pattern)
    try:
        files = sorted(Path(full.anchor).glob(str(full.relative_to(full.anchor))))
    except (ValueError, OSError):
        return ()
    return [Source(path=str(file), text=read_file(str(file))) for file in files[:_MAX_FILES] if file.is_file()]
