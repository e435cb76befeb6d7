"""Stands in for Ray's two agents of a node, of which fleet uses nothing; run as a script, it imports no more than this.

A raylet starts a dashboard agent and a runtime environment agent, waits until files say where they listen, and ends
when one of them ends. As Ray ships them they cost 170 MB and, on two cores, four seconds a node. This writes the files
(`-1`: nobody listens) and lives until the raylet closes its stdin, which is what those agents do, too.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main(session: Path, node: str, ports: list[str]) -> None:
    """Write one file for each `name=port`, whole or not at all; then wait for the raylet's end."""
    for name, _, port in (text.partition("=") for text in ports if not text.startswith("-")):
        part = session / f".{name}_{node}"
        part.write_text(port, encoding="ascii")
        part.replace(session / f"{name}_{node}")
    while os.read(0, 4096):
        pass


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
