"""What `{{ … }}` in a playbook may name on a host: what the inventory says, `vars`, and secrets, read on use.

A secret is read once, however many hosts share it, and before any host is touched. What holds one never prints it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from fleet.errors import ConfigurationError
from fleet.model.inventory import Host, Role, Variable
from fleet.model.playbook import Secret
from fleet.plan.steps.rendering import Value

PATIENCE = 120.0
"""Seconds for a program that prints a secret: it may ask for a passphrase first."""
LIMIT = 64 * 2**10
"""Bytes of a secret."""


class Secrets:
    """Secrets by where they are found, each read once."""

    def __init__(self) -> None:
        self._read: dict[Variable, Secret] = {}

    def of(self, host: Host, variable: Variable) -> Secret:
        """The secret of a variable. ConfigurationError that names the variable and the place, never what is there."""
        if variable not in self._read:
            try:
                self._read[variable] = Secret(_checked(_found(variable)))
            except ValueError as error:
                text = f"`vars.{variable.name}`: {error}"
                raise ConfigurationError(text, host=host.name, hint="see `vars` in the inventory") from None
        return self._read[variable]


def own_variables(host: Host, fleet: Sequence[Host], secrets: Secrets) -> Mapping[str, Value]:
    """Everything but versions: of the host, its fleet (the hosts of the inventory), and the operator's own."""
    found: dict[str, Value] = {
        "host.name": host.name,
        "host.python": host.python,
        "host.work_dir": host.work_dir,
        "host.address": host.node_address,
        "host.role": host.role.value,
        "host.group": host.group or "",
        "host.ports": f"{host.ports.first}-{host.ports.last}",
        "fleet.hosts": tuple(one.name for one in fleet),
        "fleet.addresses": tuple(dict.fromkeys(one.node_address for one in fleet)),
    }
    head = next((one for one in fleet if one.role is Role.HEAD), None)
    if head is not None:
        found |= {"head.name": head.name, "head.address": head.node_address}
    for variable in host.variables:
        plain = variable.items if variable.text is None else variable.text
        found[f"vars.{variable.name}"] = secrets.of(host, variable) if plain is None else plain
    return found


def _found(variable: Variable) -> bytes:
    """What is at the place that the variable names. ValueError where nothing can be read there."""
    if variable.from_env is not None:
        value = os.environb.get(variable.from_env.encode())
        if value is None:
            raise ValueError(f"there is no environment variable {variable.from_env}")
        return value
    if variable.from_file is not None:
        return _from_file(variable.from_file)
    return _from_command(variable.from_command or ())


def _from_file(path: str) -> bytes:
    try:
        with Path(path).open("rb") as stream:
            return stream.read(LIMIT + 1).removesuffix(b"\n").removesuffix(b"\r")
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None


def _from_command(words: tuple[str, ...]) -> bytes:
    """What a program prints. It is named by its first word only: an argument may be somebody's secret."""
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise ValueError(f"{words[0]} did not end in time") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{words[0]} cannot be run: {getattr(error, 'strerror', None) or 'odd words'}") from None
    if done.returncode != 0:
        raise ValueError(f"{words[0]} failed with status {done.returncode}, and says why above")
    return done.stdout.removesuffix(b"\n").removesuffix(b"\r")


def _checked(data: bytes) -> str:
    if not data:
        raise ValueError("the secret is empty")
    if len(data) > LIMIT:
        raise ValueError(f"the secret is longer than {LIMIT:,} bytes")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise ValueError("the secret is no UTF-8 text") from None
    if "\0" in text:
        raise ValueError("the secret has a zero byte")
    return text
