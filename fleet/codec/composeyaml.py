"""Compose files as YAML: what Compose v1 writes out is read, and overrides are written."""

from __future__ import annotations

from typing import Any

import yaml

from fleet.codec.document import MAX_BYTES


def read_compose(text: str) -> object:
    """What a YAML text that Compose wrote holds. ValueError where it is none, too long, or shares parts of itself."""
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise ValueError("the compose file is larger than 1 MiB")
    try:
        # Compose writes no aliases; with them a short text could be a tree without bounds.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise ValueError("the compose file as Compose wrote it has aliases")
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError):
        raise ValueError("the compose file as Compose wrote it is no YAML") from None


def write_compose(tree: object) -> str:
    """A compose file, its names in the order that they have in the tree, each part written out where it stands."""
    text: Any = yaml.dump(
        tree, Dumper=_WrittenOut, sort_keys=False, default_flow_style=False, allow_unicode=True, width=120
    )
    return str(text)


class _WrittenOut(yaml.SafeDumper):
    """Writes a part that stands in two places twice, for people."""

    def ignore_aliases(self, data: Any) -> bool:
        """Always."""
        del data
        return True
