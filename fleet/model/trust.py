"""Host keys: what a host offers, what is pinned for it, and what that means."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class HostKey:
    """A host's public key: its type as SSH names it (`ssh-ed25519`), and its wire form (RFC 4253)."""

    kind: str
    blob: bytes = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """`SHA256:…` as OpenSSH prints it: SHA-256 over the wire form, base64 without padding (RFC 4255, RFC 4648)."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")


class KeyState(StrEnum):
    """What a host's key is to us."""

    KNOWN = "known"
    NEW = "new"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Introduction:
    """A host that has shown its key, before any login. `known_as`: its name in the known_hosts `file`.

    `jump`: it only stands on the way to others.
    """

    host: str
    known_as: str
    file: str
    offered: HostKey
    pinned: tuple[HostKey, ...] = ()
    jump: bool = False

    @property
    def state(self) -> KeyState:
        """Changed where other keys are pinned for it, of whatever type: the host once had one that it has no more."""
        if self.offered in self.pinned:
            return KeyState.KNOWN
        return KeyState.CHANGED if self.pinned else KeyState.NEW
