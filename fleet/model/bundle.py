"""Bundles: all that hosts without internet need to run agents, as one archive with a list of what is in it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Target:
    """A kind of host: its Python's minor version, and its machine as `uname -m` has it."""

    python: str
    arch: str

    def __str__(self) -> str:
        return f"Python {self.python} on {self.arch}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelFile:
    """One wheel: its name, bytes, SHA-256 in hexadecimal, and the kinds of host that need it."""

    name: str
    size: int
    sha256: str
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What a bundle holds. `fleet`, `ray`: the versions that it was made for."""

    fleet: str
    ray: str
    targets: tuple[Target, ...]
    files: tuple[WheelFile, ...]

    def of(self, target: Target) -> tuple[WheelFile, ...]:
        """The files that a kind of host needs; empty where the bundle is not for it."""
        return tuple(file for file in self.files if target in file.targets)
