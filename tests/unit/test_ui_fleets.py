"""An inventory on the screen: the tree, every folded value, nothing wider than the terminal."""

from __future__ import annotations

import pytest

from fleet.codec import parse_inventory
from fleet.report.lines import cells
from fleet.ui.fleets import graph_lines, inventory_lines

TEXT = """
fleet: prod
currency: EUR
prices: {gpu: 900 once}
defaults: {user: ops, connect_timeout: 5s, sudo_password_command: pass show x}
groups: {rack: {key: /keys/id, bus: 2GB/s}}
hosts:
  box: {role: head, address: "2001:db8::1", devices: [{kind: cuda, count: 2, model: RTX 4090}], free_slots: 1}
  far: {group: rack, port: 2222, devices: [{kind: cpu}], candidate: true}
  near: {group: rack, devices: [{kind: emulated, memory: 16GiB, cycles_per_second: 1MHz}]}
"""


def test_graph() -> None:
    """Hosts without a group first, then the groups; emulated devices are marked."""
    lines = [line.text for line in graph_lines(parse_inventory(TEXT, "prod.yaml"))]
    assert lines == [
        "prod  3 hosts, 4 devices (emulated devices)",
        "├── box  head, ops@[2001:db8::1]:22",
        "│   ├── gpu0  RTX 4090, cuda",
        "│   └── gpu1  RTX 4090, cuda",
        "└── group rack",
        "    ├── far  worker, candidate, ops@far:2222",
        "    │   └── cpu0  CPU, cpu",
        "    └── near  worker, ops@near:22",
        "        └── gpu0  GPU, emulated, 16.0 GiB, 1.0 MHz declared",
    ]


def test_show() -> None:
    """What the group and the defaults say stands with each host."""
    lines = [line.text for line in inventory_lines(parse_inventory(TEXT, "prod.yaml"), 100)]
    text = "\n".join(lines)
    far = text[text.index("far  worker candidate") : text.index("near  worker")]
    for said in (
        "ops@far:2222",
        "/keys/id",
        "5.0 s",
        "1.9 GiB/s",
        "20000-20299",
        "python3",
        "`pass show x`",
        "CPU, cpu",
    ):
        assert said in far
    assert "a GPU EUR 900 once" in text
    assert "(emulated devices)" in lines[0]


@pytest.mark.parametrize("width", [30, 60, 200])
def test_facts_fit(width: int) -> None:
    """No fact is wider than the terminal."""
    lines = inventory_lines(parse_inventory(TEXT, "prod.yaml"), width)[1:]
    assert max(cells(line.text) for line in lines) <= width
