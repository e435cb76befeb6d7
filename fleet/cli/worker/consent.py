"""A newcomer's host key, and those of the jump hosts before it: shown, and pinned with the operator's consent."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import typer

from fleet.errors import ConfigurationError, HostError, HostKeyError

if TYPE_CHECKING:
    from fleet.model.expansion import Joining
    from fleet.model.inventory import Host


def trusted(joining: Joining, host: Host, *, yes: bool) -> Joining:
    """Show the host's key where it is not pinned yet; pin it with consent. HostKeyError on a no, or a changed one."""
    from fleet.cli.hosts.checkups import asked_passphrases
    from fleet.provision.trust import rounds, settle
    from fleet.transport.connect import introduce
    from fleet.transport.keyring import Keyring
    from fleet.ui import screen

    ring = Keyring(asked_passphrases([host]))  # for the jump hosts
    for seen in rounds(partial(introduce, keyring=ring), [host], frozenset()):
        for failure in seen.failures:
            raise HostError(failure.message, host=failure.host, hint=failure.hint)
        if seen.refused or seen.wanted:
            screen.show_keys(seen.introductions, (), stream=sys.stderr)
        if seen.refused:
            hint = "only if it was set up anew: take the old key out of its known_hosts file, then run this again"
            raise HostKeyError(f"the key of {seen.refused[0].host} is not the one that is pinned", hint=hint)
        if not seen.wanted:
            continue
        if not yes:
            _agreed(seen.wanted[0].host)
        settle(seen.wanted)
        shown = seen.wanted[-1]
        if not shown.jump:
            joining = replace(joining, pinned_as=shown.known_as, pinned_in=shown.file)
    return joining


def _agreed(host: str) -> None:
    """Return when the operator has its key pinned. ConfigurationError where nobody can be asked, HostKeyError on no."""
    if not sys.stdin.isatty():
        hint = "compare the fingerprint with what the host itself says (ssh-keygen -lf), then add --yes"
        raise ConfigurationError("nobody can be asked whether to pin its key: no terminal", host=host, hint=hint)
    if not typer.confirm("Does the host itself say the same (ssh-keygen -lf)? Pin it?", default=False, err=True):
        raise HostKeyError("not pinned", host=host, hint="the same command asks again")
