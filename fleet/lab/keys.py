"""The lab's own ed25519 keys: made once, private to the user, used again."""

from __future__ import annotations

import os
from pathlib import Path


def ensure_key(path: Path) -> str:
    """The public line (`ssh-ed25519 AAAA…`) of the private key at `path`, which is made (0600) where there is none."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 (`fleet --help` reaches this module)
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 (likewise)

    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        key = serialization.load_ssh_private_key(path.read_bytes(), password=None)
    else:
        key = Ed25519PrivateKey.generate()
        with os.fdopen(descriptor, "wb") as file:
            file.write(
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.OpenSSH,
                    serialization.NoEncryption(),
                )
            )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return public.decode()
