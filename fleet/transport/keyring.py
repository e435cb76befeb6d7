"""The keys that log a user in: from an agent, from files, with their certificates; a passphrase is asked beforehand.

A key file's public half can be read without its passphrase, so that the agent's copy of a locked key is found.
"""

from __future__ import annotations

import base64
import copy
import re
import struct
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from paramiko.auth_strategy import AuthSource, AuthStrategy, InMemoryPrivateKey, SourceResult
from paramiko.pkey import PublicBlob, UnknownKeyType

from fleet.errors import LoginError
from fleet.model.inventory import Host
from fleet.model.playbook import Secret
from fleet.transport.hearsay import in_brief
from fleet.transport.userconfig import Hop, route

_CERTIFICATE = "-cert-v01@openssh.com"
_MAGIC = b"openssh-key-v1\0"
_ARMOUR = re.compile(rb"-----BEGIN ([A-Z ]*)PRIVATE KEY-----(.*?)-----END", re.DOTALL)
KEY_LIMIT = 2**16
"""Bytes of a key file that are read."""


class Keyring:
    """Private keys, each read once however many hosts it opens. `passphrases`: by the path of the key. Thread-safe."""

    def __init__(self, passphrases: Mapping[str, Secret] = MappingProxyType({})) -> None:
        self._passphrases = passphrases
        self._read: dict[Path, paramiko.PKey | LoginError] = {}
        self._turn = threading.Lock()

    def keys(self, hop: Hop, complaints: list[LoginError]) -> Generator[paramiko.PKey, None, None]:
        """The keys to try on a hop, in their order; why others cannot be tried goes to `complaints`.

        The agent's copies of the hop's own keys come first, then the files themselves, then the agent's other keys.
        """
        # Whoever names a key that can be read needs no agent for it.
        needed = not hop.stated or any(is_locked(file) or file.suffix == ".pub" for file in hop.keys)
        with _agent(wanted=hop.agent and needed) as held:
            yield from self._in_order(hop, held, complaints)

    def _in_order(
        self, hop: Hop, held: Sequence[paramiko.AgentKey], complaints: list[LoginError]
    ) -> Iterator[paramiko.PKey]:
        own = {blob for file in hop.keys if (blob := public_half(file))}
        yield from (key for key in held if _bare(key) in own)
        for file in hop.keys:
            if file.suffix == ".pub" or (not hop.stated and not file.is_file()):
                continue
            if public_half(file) in {_bare(key) for key in held} and is_locked(file):
                continue
            found = self._key(file, hop.certificates)
            if isinstance(found, LoginError):
                complaints.append(found)
                continue
            yield found
            if found.public_blob is not None:
                yield _without_certificate(found)
        if not (hop.stated or hop.only):
            yield from (key for key in held if _bare(key) not in own)

    def _key(self, file: Path, certificates: Sequence[Path]) -> paramiko.PKey | LoginError:
        with self._turn:
            if file not in self._read:
                self._read[file] = _key(file, self._passphrases.get(str(file)), certificates)
            return self._read[file]


class KeysInTurn(AuthStrategy):
    """Offers the hop's keys one by one. LoginError where none is taken, or there is none."""

    def __init__(self, hop: Hop, keyring: Keyring, user: str) -> None:
        super().__init__(ssh_config=paramiko.SSHConfig())
        self._hop = hop
        self._keyring = keyring
        self._user = user
        self._complaints: list[LoginError] = []

    def get_sources(self) -> Generator[AuthSource, None, None]:
        """The keys, as paramiko wants them."""
        with closing(self._keyring.keys(self._hop, self._complaints)) as keys:
            for key in keys:
                yield InMemoryPrivateKey(self._user, key)

    def authenticate(self, transport: paramiko.Transport) -> list[SourceResult]:
        """Called by paramiko for a connection whose host key was right."""
        refused: paramiko.AuthenticationException | None = None
        with closing(self.get_sources()) as sources:
            for source in sources:
                try:
                    further = source.authenticate(transport)
                except paramiko.AuthenticationException as error:
                    refused = error
                    continue
                if further:
                    hint = "fleet logs in by key alone: AuthenticationMethods publickey for this user"
                    raise LoginError(f"after the key the host wants {', '.join(further)}", hint=hint)
                return []
        raise self._refusal(refused, self._complaints)

    def _refusal(self, refused: Exception | None, complaints: Sequence[LoginError]) -> LoginError:
        who = f"user {self._user}"
        if refused is None and complaints:
            return complaints[0]
        if refused is None:
            hint = "state `key`, load one into ssh-agent, or make one: ssh-keygen -t ed25519"
            return LoginError(f"there is no key to log {who} in with", hint=hint)
        also = f" ({'; '.join(one.message for one in complaints)})" if complaints else ""
        hint = "add the public key to the user's ~/.ssh/authorized_keys, or correct `user` and `key`"
        return LoginError(f"the host refused {who}: {in_brief(str(refused).encode())}{also}", hint=hint)


def locked_keys(hosts: Sequence[Host]) -> Mapping[str, Host]:
    """The key files on the way to these hosts that a passphrase locks and no agent holds, each with its first host."""
    with _agent(wanted=True) as keys:
        held = {_bare(key) for key in keys}
    first: dict[Path, Host] = {}
    for host in hosts:
        for hop in route(host):
            for file in hop.keys:
                first.setdefault(file, host)
    locked = {file: host for file, host in first.items() if is_locked(file) and public_half(file) not in held}
    return MappingProxyType({str(file): host for file, host in locked.items()})


def opens(file: str, passphrase: Secret) -> bool:
    """Whether it is the key's passphrase."""
    return not isinstance(_key(Path(file), passphrase, ()), LoginError)


def is_locked(file: Path) -> bool:
    """Whether the file is a private key with a passphrase."""
    kind, body = _armour(file)
    if kind == b"OPENSSH ":
        return _fields(body)[:1] not in ([], [b"none"])
    return kind == b"ENCRYPTED " or b"ENCRYPTED" in body[:200]


def public_half(file: Path) -> bytes | None:
    """The public key, as SSH sends it, of a key file or of the `.pub` beside it; None where neither tells."""
    kind, body = _armour(file)
    if kind == b"OPENSSH ":
        fields = _fields(body)
        return fields[3] if len(fields) > 3 else None  # noqa: PLR2004 (cipher, kdf, its options, the public key)
    beside = file if file.suffix == ".pub" else file.with_name(f"{file.name}.pub")
    with suppress(OSError, ValueError, IndexError):
        return base64.b64decode(beside.read_bytes()[:KEY_LIMIT].split()[1])
    return None


def _armour(file: Path) -> tuple[bytes, bytes]:
    try:
        with file.open("rb") as stream:
            found = _ARMOUR.search(stream.read(KEY_LIMIT))
    except OSError:
        return b"", b""
    return (found[1], found[2]) if found else (b"", b"")


def _fields(body: bytes) -> list[bytes]:
    """Cipher, key derivation, its options and first public key of an OpenSSH key (PROTOCOL.key); none if damaged."""
    fields: list[bytes] = []
    with suppress(ValueError, struct.error):
        data = base64.b64decode(body)
        if not data.startswith(_MAGIC):
            return []
        at = len(_MAGIC)
        for index in range(4):
            (size,) = struct.unpack_from(">I", data, at)
            at += 4
            if at + size > len(data):
                return []
            fields.append(data[at : at + size])
            at += size + (4 if index == 2 else 0)  # noqa: PLR2004 (the number of keys stands before the first)
    return fields


@contextmanager
def _agent(*, wanted: bool) -> Iterator[tuple[paramiko.AgentKey, ...]]:
    """The agent's keys, as long as the block lasts; none where there is no agent, or none is wanted."""
    try:
        agent = paramiko.Agent() if wanted else None
    except (paramiko.SSHException, OSError):
        agent = None
    if agent is None:
        yield ()
        return
    try:
        yield _held(agent)
    finally:
        agent.close()


def _held(agent: paramiko.Agent) -> tuple[paramiko.AgentKey, ...]:
    """The agent's keys, certificates before the keys they are for."""
    keys = agent.get_keys()
    for key in keys:
        if key.get_name().endswith(_CERTIFICATE):
            # Without it paramiko would offer the bare key under the certificate's name.
            vars(key)["public_blob"] = PublicBlob(type_=key.get_name(), blob=key.blob)
    return tuple(sorted(keys, key=lambda key: not key.get_name().endswith(_CERTIFICATE)))


def _bare(key: paramiko.PKey) -> bytes:
    """The public key itself, also of an agent's certificate."""
    blob: bytes = key.asbytes()
    return blob


def _key(file: Path, passphrase: Secret | None, certificates: Sequence[Path]) -> paramiko.PKey | LoginError:
    try:
        key = paramiko.PKey.from_path(str(file), _password(passphrase))
        for certificate in certificates:
            if _certifies(certificate, key):
                key.load_certificate(str(certificate))
    except OSError as error:
        return LoginError(f"the key {file} cannot be read: {error.strerror}", hint="correct `key`")
    except (TypeError, ValueError, UnknownKeyType, paramiko.SSHException):
        if not is_locked(file):
            return LoginError(f"{file} is no private key", hint="name a private key: ed25519, ecdsa or rsa")
        if passphrase is not None:
            return LoginError(f"the passphrase of {file} is wrong", hint="correct `key_passphrase_command`")
        hint = "run ssh-add on it, or state `key_passphrase_command`, or run fleet in a terminal, where it asks"
        return LoginError(f"the key {file} needs a passphrase", hint=hint)
    return key


def _password(passphrase: Secret | None) -> Any:
    """As cryptography takes it, which paramiko's annotations do not say."""
    return passphrase.value.encode() if passphrase else None


def _without_certificate(key: paramiko.PKey) -> paramiko.PKey:
    """The key itself: its certificate may have expired, and the key be in authorized_keys."""
    plain = copy.copy(key)
    plain.public_blob = None
    return plain


def _certifies(certificate: Path, key: paramiko.PKey) -> bool:
    """Whether it is this key's certificate."""
    try:
        found = serialization.load_ssh_public_identity(certificate.read_bytes()[:KEY_LIMIT])
        public = found.public_key() if isinstance(found, serialization.SSHCertificate) else found
        line = public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        return base64.b64decode(line.split()[1]) == key.asbytes()
    except (OSError, ValueError, UnsupportedAlgorithm):
        return False
