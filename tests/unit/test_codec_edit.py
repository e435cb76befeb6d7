"""Inventory files edited in place: what was asked changes, and not one byte beside it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.codec import parse_inventory
from fleet.codec.document import parse_document
from fleet.codec.edit import Value, flow, rewrite, with_field, with_host, without_host
from fleet.errors import ConfigurationError

FIELDS: dict[str, Value] = {"address": "::1", "port": 2213, "devices": ["a4000"], "cost": "1.20/hour", "user": "null"}

COMMENT = st.sampled_from(["", "  # the second room, left", "   # {far: x}, 'y", " # a: b"])
NAMES = st.lists(st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True), min_size=2, max_size=5, unique=True)
SCALAR = st.sampled_from(["10.0.0.7", '"10.0.0.7"', "'box seven'", "far.example.org"])
BETWEEN = st.sampled_from(["", "\n", "  # rack 7\n", "# rack 8: {x}\n\n", "    # deep\n"])


@st.composite
def hosts(draw: st.DrawFn, name: str) -> str:
    """One host as somebody may write it: block or flow, quoted or not, oddly spaced, commented, anchored."""
    address, after = draw(SCALAR), draw(COMMENT)
    anchor = draw(st.sampled_from(["", f"&{name.replace('-', '')} "]))
    flow_style = [
        f"  {name}: {anchor}{{address: {address}, candidate:   true}}{after}\n",
        f"  '{name}':   {anchor}{{ address: {address},   devices: [a, 'b'] , }}{after}\n",
        f"  {name}: {anchor}{{\n    address: {address},{after}\n    devices: [{{type: a, count: 2}}]\n  }}{after}\n",
    ]
    block = [
        f"  {name}:{after}\n    address:   {address}{after}\n    devices:\n      - a{after}\n      -   b\n",
        f"  {name}: {anchor}\n      candidate: yes{after}\n      devices: [a,\n        b]{after}\n",
        f"  {name}:\n    address: {address}{after}\n",
    ]
    return draw(BETWEEN) + draw(st.sampled_from([*flow_style, *block]))


@st.composite
def inventories(draw: st.DrawFn) -> tuple[str, list[str]]:
    names = draw(NAMES)
    body = "".join(draw(hosts(name)) for name in names)
    tail = draw(
        st.sampled_from(["", "\n# the end\n", "current: {po2: 20}   # today\n", "  # of the hosts\ncurrency: EUR\n"])
    )
    text = f"# mine\nfleet:   'lab'\nhosts:   # all\n{body}{tail}"
    if draw(st.booleans()):
        text = text.removesuffix("\n")
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    return text, names


def lines(text: str) -> list[str]:
    return text.split("\n")


@settings(max_examples=60, deadline=None)
@given(inventories())
def test_a_host_that_is_added_is_a_line_more_and_taken_out_again_leaves_no_trace(found: tuple[str, list[str]]) -> None:
    text, names = found
    added = with_host(text, "f", "new-1", FIELDS)
    assert list(parse_document(added, "f").value["hosts"]) == [*names, "new-1"]
    assert parse_document(added, "f").value["hosts"]["new-1"] == {**FIELDS, "port": "2213"}
    rest = [line for line in lines(added) if "new-1" not in line]
    rest = [line.rstrip("\r") for line in lines(added) if "new-1" not in line]
    assert rest == [line.rstrip("\r") for line in lines(text)]
    assert "\r\n" not in text or "\n" not in added.replace("\r\n", "")
    assert without_host(added, "f", "new-1") == text


@settings(max_examples=60, deadline=None)
@given(inventories(), st.data())
def test_a_host_that_is_removed_takes_its_own_lines_and_no_other(
    found: tuple[str, list[str]], data: st.DataObject
) -> None:
    text, names = found
    name = data.draw(st.sampled_from(names))
    left = without_host(text, "f", name)
    assert list(parse_document(left, "f").value["hosts"]) == [other for other in names if other != name]
    kept = iter(lines(text))
    assert all(any(line.rstrip("\r") == old.rstrip("\r") for old in kept) for line in lines(left))
    gone = {line.rstrip("\r") for line in lines(text)} - {line.rstrip("\r") for line in lines(left)}
    assert not any(
        line.strip().strip("'").startswith((f"{other}:", f"{other}':"))
        for line in gone
        for other in names
        if other != name
    )


@settings(max_examples=60, deadline=None)
@given(inventories(), st.data())
def test_a_field_is_set_changed_and_taken_back_in_its_own_place(
    found: tuple[str, list[str]], data: st.DataObject
) -> None:
    text, names = found
    name = data.draw(st.sampled_from(names))
    drained = with_field(text, "f", name, "drained", value=True)
    assert parse_document(drained, "f").value["hosts"][name]["drained"] == "true"
    assert len(set(lines(drained)) - set(lines(text))) <= 2
    assert with_field(drained, "f", name, "drained", value=None) == text
    again = with_field(drained, "f", name, "drained", value=False)
    assert again == drained.replace("drained: true", "drained: false")


def test_a_host_that_loses_its_only_field_is_still_a_mapping() -> None:
    text = "fleet: x\nhosts:\n  far:\n    candidate: true   # soon\n  box: {role: head}\n"
    assert with_field(text, "f", "far", "candidate", None) == text.replace("candidate: true", "{}")


def test_hosts_on_one_line_are_edited_there() -> None:
    text = "fleet: x\nhosts: {box: {role: head}, far: {}}  # two\n"
    assert with_host(text, "f", "new", {"port": 1}) == text.replace("far: {}", "far: {}, new: {port: 1}")
    assert without_host(text, "f", "far") == text.replace(", far: {}", "")
    assert without_host(text, "f", "box") == text.replace("box: {role: head}, ", "")
    assert with_field(text, "f", "far", "drained", value=True) == text.replace("far: {}", "far: {drained: true}")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("fleet: x\nhosts:\n  a: &one {user: u}\n  b: *one\n", "undefined alias"),
        ("fleet: x\nhosts: &all\n  a: {}\n", "no mapping"),
    ],
)
def test_what_cannot_be_edited_safely_is_refused_with_a_reason(text: str, why: str) -> None:
    if "*one" in text:
        with pytest.raises(ConfigurationError, match=why):
            without_host(text, "f", "a")
        with pytest.raises(ConfigurationError, match="no mapping written out"):
            with_field(text, "f", "b", "drained", value=True)
    with pytest.raises(ConfigurationError, match="there is no `zed`"):
        without_host(text, "f", "zed")
    with pytest.raises(ConfigurationError, match="is a host already"):
        with_host(text, "f", "a", {})


@given(
    st.recursive(st.text(max_size=12) | st.booleans() | st.integers(), lambda x: st.lists(x, max_size=3), max_leaves=5)
)
def test_every_value_reads_back_as_it_was_written(value: object) -> None:
    def texts(one: object) -> object:
        match one:
            case bool():
                return "true" if one else "false"
            case list():
                return [texts(item) for item in one]
            case _:
                return str(one)

    assert parse_document(flow({"it": value}), "f").value["it"] == texts(value)  # type: ignore[dict-item]


LAB = "fleet: lab\nhosts:\n  box: {role: head, address: 10.0.0.1, devices: [{kind: cpu}]}  # kept\n"


def test_a_file_is_rewritten_whole_keeps_its_mode_and_its_link_and_is_left_alone_where_the_edit_fails(
    tmp_path: Path,
) -> None:
    real, link = tmp_path / "real.yaml", tmp_path / "link.yaml"
    real.write_bytes(b"\xef\xbb\xbf" + LAB.encode())
    real.chmod(0o640)
    link.symlink_to(real)
    fields: dict[str, Value] = {"address": "10.0.0.2", "devices": [{"kind": "cpu"}]}
    rewrite(str(link), lambda text: with_host(text, str(link), "far", fields))
    assert link.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert real.read_bytes().startswith(b"\xef\xbb\xbf")
    assert [host.name for host in parse_inventory(real.read_text("utf-8-sig"), "f").hosts] == ["box", "far"]
    before = real.read_bytes()
    with pytest.raises(ConfigurationError, match=r"10\.0\.0\.2 port 22 is `far` already"):
        rewrite(str(real), lambda text: with_host(text, str(real), "more", fields))
    assert real.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["link.yaml", "real.yaml"]
