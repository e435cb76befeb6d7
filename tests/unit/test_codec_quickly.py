"""The quick way to a document's nodes: where it is taken it gives what PyYAML's own does, line by line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml  # noqa: TID251 (what is tested is whether its two loaders agree)
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.codec import document
from fleet.codec.document import parse_document
from fleet.errors import ConfigurationError

SIGNS = st.sampled_from([*"ab:{}[],#'\"/=._~()+;$<^-0 ", "\n", "\n  ", ": ", "- ", " #", "1e3", "true", "null"])


def _tree(node: Any) -> Any:
    match node:
        case yaml.MappingNode():
            value: Any = [(_tree(name), _tree(item)) for name, item in node.value]
        case yaml.SequenceNode():
            value = [_tree(item) for item in node.value]
        case _:
            value = node.value
    return node.tag, node.start_mark.line, value


@settings(max_examples=500, deadline=None)
@given(st.lists(SIGNS, max_size=40).map("".join))
def test_both_ways_agree(text: str) -> None:
    quick = document._quickly(text)

    assert quick is None or _tree(quick) == _tree(yaml.compose(text, Loader=yaml.SafeLoader))


# The files that people write are read the quick way; texts with signs on which the loaders differ are not.
def test_it_is_taken() -> None:
    lab = Path(__file__).parents[2] / "inventory" / "lab.yaml"

    assert document._quickly("hosts:\n  a: {devices: [{kind: cpu}], work_dir: /tmp/x}  # one\n") is not None
    assert all(document._quickly(text) is None for text in ("a:\tb", "a: !x b", "? a", "a: |\n b", "a: &x b", "ä: b"))
    assert lab.is_file()


# A text that goes down without end is one line of words, whichever way is tried first.
@pytest.mark.parametrize("text", ["[" * 30_000, "{a: " * 15_000, "- " * 30_000, "[" * 4999])
def test_depth_has_a_bound(text: str) -> None:
    with pytest.raises(ConfigurationError):
        parse_document(text, "deep.yaml")
