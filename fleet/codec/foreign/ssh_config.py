"""OpenSSH's client configuration: the hosts it names, each with what holds for it.

As in ssh_config(5) the first value wins, over all blocks whose patterns match. `Match` blocks other than `Match all`
depend on programs, users and addresses, and are listed as lost.
"""

from __future__ import annotations

import fnmatch
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from fleet.codec.foreign.fields import read_fields
from fleet.codec.foreign.value import MAX_HOSTS, Foreign, ForeignHost, Format, Lost, Plain, Source
from fleet.codec.problems import clip
from fleet.errors import ConfigurationError

Include = Callable[[str], Sequence[Source]]
"""The files that the pattern of an `Include` line stands for."""

_MAX_INCLUDES = 16
_KEYWORD = re.compile(r"\s*([A-Za-z][A-Za-z0-9]*)(?:\s*=\s*|\s+|\Z)")
_TAKEN = frozenset({"hostname", "port", "user", "identityfile", "proxyjump", "proxycommand"})
_PATTERN = re.compile(r"[*?!]")
_NEVER = ("!*",)
_JUMP = re.compile(r"(?:ssh://)?(?:[^@]+@)?(\[[^]]+\]|[^:/]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """A keyword with its value, under the patterns of the blocks that it stands in."""

    conditions: tuple[tuple[str, ...], ...]
    keyword: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What one pass over the text gathers, in its order."""

    entries: list[_Entry]
    names: dict[str, str]
    lost: list[Lost]


def read_ssh_config(main: Source, include: Include) -> Foreign:
    """The hosts that a configuration names (patterns are no hosts). ConfigurationError with file and line."""
    found = _Found(entries=[], names={}, lost=[])
    _read(main, (), include, found, 0)
    hosts = tuple(_hosts(found))
    return Foreign(format=Format.SSH, path=main.path, name="fleet", hosts=hosts, lost=tuple(dict.fromkeys(found.lost)))


def _read(source: Source, outer: tuple[tuple[str, ...], ...], include: Include, found: _Found, depth: int) -> None:
    if depth > _MAX_INCLUDES:
        raise ConfigurationError(f"{source.path}: included more than {_MAX_INCLUDES} levels deep")
    conditions = outer
    for number, line in enumerate(source.text.splitlines(), 1):
        where = f"{source.path}:{number}"
        words = _words(line, where)
        if not words:
            continue
        keyword, values = words[0].lower(), words[1:]
        match keyword:
            case "host":
                conditions = (*outer, tuple(values))
                _note_names(values, where, found)
            case "match" if [value.lower() for value in values] == ["all"]:
                conditions = outer
            case "match":
                conditions = (*outer, _NEVER)
                found.lost.append(Lost(where=where, what="Match", why="depends on more than the host's name"))
            case "include":
                for inner in (inner for pattern in values for inner in include(pattern)):
                    _read(inner, conditions, include, found, depth + 1)
            case _ if keyword in _TAKEN and values:
                value = " ".join(values) if keyword == "proxycommand" else values[0]
                found.entries.append(_Entry(conditions=conditions, keyword=keyword, value=value))


def _words(line: str, where: str) -> list[str]:
    """The keyword and its arguments; empty for a comment or an empty line."""
    line = line.strip()
    if not line or line.startswith("#"):
        return []
    match = _KEYWORD.match(line)
    if match is None:
        raise ConfigurationError(f"{where}: expected a keyword such as Host or HostName, found {clip(line)}")
    if match[1].lower() == "proxycommand":
        return [match[1], line[match.end() :]]
    try:
        rest = shlex.split(line[match.end() :], comments=True)
    except ValueError as error:
        raise ConfigurationError(f"{where}: {str(error).lower()}") from None
    return [match[1], *rest]


def _note_names(patterns: Sequence[str], where: str, found: _Found) -> None:
    for name in patterns:
        if name and not _PATTERN.search(name):
            found.names.setdefault(name, where)
    if len(found.names) > MAX_HOSTS:
        raise ConfigurationError(f"{where}: more than {MAX_HOSTS:,} hosts")


def _hosts(found: _Found) -> Iterator[ForeignHost]:
    holding = {name: _holding(found, name) for name in found.names}
    ways = [way for values in holding.values() for way in values.get("proxyjump", "").split(",")]
    jumps = {match[1].strip("[]") for way in ways if (match := _JUMP.match(way))}
    for name, where in found.names.items():
        if host := _host(name, where, holding[name], found.lost):
            yield replace(host, jump=bool(jumps & {name, holding[name].get("hostname")}))


def _holding(found: _Found, name: str) -> dict[str, str]:
    """The first value of each keyword, over all blocks that are about the host."""
    values: dict[str, str] = {}
    verdicts: dict[tuple[tuple[str, ...], ...], bool] = {}
    for entry in found.entries:
        if entry.keyword in values:
            continue
        if entry.conditions not in verdicts:
            verdicts[entry.conditions] = all(_matches(name, patterns) for patterns in entry.conditions)
        if verdicts[entry.conditions]:
            values[entry.keyword] = entry.value
    return values


def _matches(name: str, patterns: Sequence[str]) -> bool:
    """OpenSSH's rule: some pattern matches, and none with `!` before it does."""
    hit = False
    for pattern in patterns:
        if pattern.startswith("!"):
            if _like(name, pattern[1:]):
                return False
        elif not hit:
            hit = _like(name, pattern)
    return hit


def _like(name: str, pattern: str) -> bool:
    if not _PATTERN.search(pattern):
        return name.lower() == pattern.lower()
    return fnmatch.fnmatchcase(name.lower(), re.sub(r"\*+", "*", pattern).lower().replace("[", "[[]"))


def _host(name: str, where: str, values: dict[str, str], lost: list[Lost]) -> ForeignHost | None:
    address = _percent(values.get("hostname", name), {"h": name})
    hops = {keyword for keyword in ("proxyjump", "proxycommand") if values.get(keyword, "none").lower() != "none"}
    # fleet's SSH reads ~/.ssh/config itself: under its own name the host is reached by the same way round.
    raw: dict[str, Plain] = {"address": name, "node_address": address} if hops else {"address": address}
    raw |= {field: values[field] for field in ("port", "user") if field in values}
    key = _percent(values.get("identityfile", "none"), {"d": "~", "h": address, "n": name})
    if key.lower() != "none":
        raw["key"] = key
    for field in [field for field, value in raw.items() if isinstance(value, str) and re.search(r"%[a-zA-Z]", value)]:
        lost.append(Lost(where=where, what=field, why="a % token that only ssh itself can fill in"))
        del raw[field]
    form, unfit = read_fields(raw, where)
    lost.extend(unfit)
    if form.address is None:
        lost.append(Lost(where=where, what=name, why="left out: its address is not known"))
        return None
    remark = f"reached through {clip(values['proxyjump'])}" if "proxyjump" in hops else ""
    remark = remark or ("reached through a ProxyCommand" if hops else "")
    remark += "; this needs its entry in ~/.ssh/config" if hops else ""
    return ForeignHost(name=name, where=where, form=form, remark=remark)


def _percent(text: str, tokens: dict[str, str]) -> str:
    """The text with the known % tokens filled in; `%%` is one percent sign."""
    return re.sub(r"%(.)", lambda m: "%" if m[1] == "%" else tokens.get(m[1], m[0]), text)
