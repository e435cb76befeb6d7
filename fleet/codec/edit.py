"""An inventory file edited where it stands: every byte that is not part of the change stays as its author wrote it.

Nothing is written anew from values: the places of the entries are taken from the parser's own marks, and text is put
in, replaced or cut out there. So comments, order, quoting, spacing, anchors and line ends survive by construction. Each
edit is then read back and must differ from the old content by exactly what was asked, else it is refused.
"""

from __future__ import annotations

import copy
import fcntl
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fleet.codec.document import home_expanded, parse_document, read_file
from fleet.codec.inventory import parse_inventory
from fleet.codec.places import Entries, Entry, places
from fleet.errors import ConfigurationError

Value = str | int | float | bool | Sequence["Value"] | Mapping[str, "Value"]
"""What a field may be set to; on paper it is one line of YAML."""

_PLAIN = re.compile(r"[A-Za-z0-9_./~@+][A-Za-z0-9_./~@+-]*(?: [A-Za-z0-9_./@+-]+)*\Z")
_NULLS = frozenset({"~", "null", "Null", "NULL"})
_BY_HAND = "edit the file by hand"
_BOM = "\ufeff"


def with_host(text: str, path: str, name: str, fields: Mapping[str, Value]) -> str:
    """The text with one more host, after the others. ConfigurationError where it has one of that name already."""
    hosts = _entries(text, path, ("hosts",))
    if hosts.get(name):
        raise ConfigurationError(f"{path}: `{name}` is a host already")
    return _checked(text, _with_entry(text, hosts, name, flow(fields)), path, ("hosts", name), fields)


def without_host(text: str, path: str, name: str) -> str:
    """The text without a host. ConfigurationError where it has none of that name, or others use its anchor."""
    hosts = _entries(text, path, ("hosts",))
    return _checked(text, _without_entry(text, hosts, _entry(hosts, name, path)), path, ("hosts", name), None)


def with_field(text: str, path: str, host: str, field: str, value: Value | None) -> str:
    """The text with a host's own field set, or, with None, without it. It need not have had one."""
    fields = _entries(text, path, ("hosts", host))
    old = fields.get(field)
    if value is None:
        edited = _without_entry(text, fields, old) if old else text
    elif old:
        edited = text[: old.value.start] + flow(value) + text[old.value.end :]
    else:
        edited = _with_entry(text, fields, field, flow(value))
    return _checked(text, edited, path, ("hosts", host, field), value)


def rewrite(path: str, edit: Callable[[str], str]) -> None:
    """Read an inventory file, edit its text, and put the new file in its place: whole or not at all.

    One fleet at a time edits files of that folder. ConfigurationError where the result is no inventory any more, or
    cannot be written; the file is then as it was.
    """
    file = Path(home_expanded(path)).resolve()
    with _turn(file.parent, path):
        text = read_file(path)
        edited = edit(text)
        parse_inventory(edited, path)
        if edited != text:
            _replace(file, path, edited)


def flow(value: Value) -> str:
    """A value as one line of YAML: plain where that reads back as it is, else in double quotes."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"{value:g}" if isinstance(value, float) else str(value)
        case str():
            return value if _PLAIN.match(value) and value not in _NULLS else f'"{"".join(map(_quoted, value))}"'
        case Mapping():
            return "{" + ", ".join(f"{flow(key)}: {flow(one)}" for key, one in value.items()) + "}"
        case _:
            return "[" + ", ".join(flow(one) for one in value) + "]"


def _quoted(sign: str) -> str:
    """A character as it stands in double quotes."""
    if sign in {'"', "\\"}:
        return f"\\{sign}"
    return sign if sign.isprintable() else f"\\U{ord(sign):08x}"


def _entries(text: str, path: str, keys: tuple[str, ...]) -> Entries:
    """The mapping at a path of keys. ConfigurationError where there is none, or it stands elsewhere (an alias)."""
    parse_document(text, path)
    found = places(text)
    for at, key in enumerate(keys):
        entry = _entry(found, key, path) if found else None
        found = entry.value.entries if entry else None
        if found is None:
            raise ConfigurationError(f"{path}: `{'.'.join(keys[: at + 1])}` is no mapping written out", hint=_BY_HAND)
    if found is None:
        raise ConfigurationError(f"{path}: is no mapping", hint=_BY_HAND)
    return found


def _entry(entries: Entries, name: str, path: str) -> Entry:
    entry = entries.get(name)
    if entry is None:
        raise ConfigurationError(f"{path}: there is no `{name}`")
    return entry


def _with_entry(text: str, entries: Entries, key: str, value: str) -> str:
    """One entry more at the end of a mapping, in the mapping's own way."""
    line = f"{flow(key)}: {value}"
    if not entries.entries:
        return text[: entries.start + 1] + line + text[entries.start + 1 :]
    last = entries.entries[-1].value.end
    if entries.flow:
        return f"{text[:last]}, {line}{text[last:]}"
    ends = "\r\n" if "\r\n" in text else "\n"
    start = entries.entries[0].start
    indent = " " * (start - _line_start(text, start))
    end = text.find("\n", last)
    if end < 0:
        return f"{text}{ends}{indent}{line}"
    return f"{text[: end + 1]}{indent}{line}{ends}{text[end + 1 :]}"


def _without_entry(text: str, entries: Entries, entry: Entry) -> str:
    """A mapping without one of its entries; a mapping that loses its only one stays, as `{}`."""
    start, end = entry.start, entry.value.end
    if entries.flow:
        return _without_flow(text, start, end)
    if len(entries.entries) == 1:
        return f"{text[:start]}{{}}{text[end:]}"
    start, next_line = _line_start(text, start), text.find("\n", end) + 1
    if next_line:
        return text[:start] + text[next_line:]
    return text[:start].removesuffix("\n").removesuffix("\r")


def _without_flow(text: str, start: int, end: int) -> str:
    """Cut out an entry with one of the commas beside it, and with its line where it has one to itself."""
    after = re.compile(r"[ \t]*,[ \t]*").match(text, end)
    line, rest = _line_start(text, start), re.compile(r"\r?\n").match(text, after.end()) if after else None
    if rest and not text[line:start].strip():
        return text[:line] + text[rest.end() :]
    if before := re.search(r"[ \t]*,[ \t]*\Z", text[:start]):
        return text[: before.start()] + text[end:]
    return text[:start] + text[after.end() if after else end :]


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _checked(before: str, after: str, path: str, place: tuple[str, ...], value: Value | None) -> str:
    """The edited text, where it says what it said and the change, no more and no less."""
    expected: Any = copy.deepcopy(parse_document(before, path).value)
    inner = expected
    for key in place[:-1]:
        inner = inner[key]
    if value is None:
        inner.pop(place[-1], None)
    else:
        inner[place[-1]] = parse_document(flow({"it": value}), path).value["it"]
    try:
        if parse_document(after, path).value == expected:
            return after
        why = "it would change more than was asked"
    except ConfigurationError as error:
        why = error.message
    raise ConfigurationError(f"{path}: `{'.'.join(place)}` cannot be edited here: {why}", hint=_BY_HAND)


@contextmanager
def _turn(folder: Path, path: str) -> Iterator[None]:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be edited: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(file: Path, path: str, text: str) -> None:
    """A new file in the place of the old one, with its mode and its byte order mark."""
    try:
        mark = _BOM if file.read_bytes().startswith(_BOM.encode()) else ""
        descriptor, part = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write((mark + text).encode())
                stream.flush()
                os.fchmod(stream.fileno(), file.stat().st_mode & 0o777)
                os.fsync(stream.fileno())
            Path(part).replace(file)
        except BaseException:
            with suppress(OSError):
                Path(part).unlink()
            raise
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written: {error.strerror}") from error
