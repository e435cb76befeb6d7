"""The error tree: every way in which fleet gives up, each with its exit code.

FleetError
├── ConfigurationError   2    inventory, playbook or options are wrong
│   └── CommandLineError      what was typed is no command
├── HostError            3    a host could not be reached or used
│   ├── ConnectError          no TCP connection, or no SSH session
│   ├── LoginError            the host refused our key or user
│   ├── HostKeyError          the host's key is unknown or has changed
│   └── CommandError          a command failed, timed out or answered nonsense
├── ProvisionError       4    a step could not be applied
├── MeasureError         5    no trial could be measured
├── StoreError           6    the store could not be read or written
│   └── NoRunError            it does not have the run that was named
├── RegressionError      7    a rate fell by more than was allowed
└── Interrupted        130    the operator asked to stop; what was stopped is running again

Foreign exceptions are translated where they arise, in one place per adapter. Weak data is no error.
"""

from __future__ import annotations

from typing import ClassVar


class FleetError(Exception):
    """What went wrong (`message`), where (`host`), and what to do about it (`hint`)."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, host: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.host = host
        self.hint = hint

    def __str__(self) -> str:
        where = f"{self.host}: " if self.host else ""
        cure = f" ({self.hint})" if self.hint else ""
        return f"{where}{self.message}{cure}"


class ConfigurationError(FleetError):
    """The inventory, a playbook or an option is wrong; nothing was touched."""

    exit_code = 2


class CommandLineError(ConfigurationError):
    """What was typed is no command, or not one of its options."""


class HostError(FleetError):
    """A host could not be reached or used. `heard`: what a program on it had written to stdout before that."""

    exit_code = 3
    heard: bytes = b""


class ConnectError(HostError):
    """No TCP connection, or no SSH session over it."""


class LoginError(HostError):
    """The host refused the user or the key."""


class HostKeyError(HostError):
    """The host's key is unknown, or differs from the pinned one."""


class CommandError(HostError):
    """A command failed, timed out, or answered what cannot be read."""


class ProvisionError(FleetError):
    """A step could not be applied, or its second look still finds it unmet."""

    exit_code = 4


class MeasureError(FleetError):
    """Nothing, or nothing more, could be measured."""

    exit_code = 5


class StoreError(FleetError):
    """The store could not be read or written."""

    exit_code = 6


class NoRunError(StoreError):
    """The store does not have the run that was named."""


class RegressionError(FleetError):
    """A rate fell by more than the operator allows; all is done and shown."""

    exit_code = 7


class Interrupted(FleetError):  # noqa: N818 (it is a request, not a failure)
    """The operator asked to stop."""

    exit_code = 130
