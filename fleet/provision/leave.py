"""Leaving a host: what benchmarks have left running there is ended, and what they wrote in the work folder removed."""

from __future__ import annotations

from collections.abc import Sequence

from fleet.errors import HostError
from fleet.model.inventory import Host
from fleet.model.playbook import Command
from fleet.plan.shell.quoting import tame
from fleet.ports import Transport
from fleet.provision.delivery import FOLDER
from fleet.remote.leave import BUSY

ASK_SECONDS = 20.0
LEAVE_SECONDS = 60.0
LEFT_BY_RUNS = ("run", "agents", "spool", "node.lock", FOLDER)
"""The names in a work folder of what runs write, and of a bundle; the order has no meaning."""

# The spool's folder itself is provisioning's.
_LOOK = f"""\
for name in {" ".join(LEFT_BY_RUNS)}; do
    [ -e "$0/$name" ] || continue
    [ "$name" != spool ] || [ -n "$(ls -A -- "$0/spool")" ] || continue
    echo "$name"
done
exit 0
"""
_LEAVE = """\
import sys
try:
    from fleet.remote.leave import main
except ImportError:
    sys.exit(0)
sys.exit(main(sys.argv[1:]))
"""


def left_there(transport: Transport, host: Host) -> tuple[str, ...]:
    """What runs have left in the host's work folder before: it stays when the host is left. HostError."""
    done = transport.run(host, Command(argv=("/bin/sh", "-c", _LOOK, host.work_dir), timeout=ASK_SECONDS))
    return tuple(name for name in done.stdout.decode("ascii", "replace").split() if name in LEFT_BY_RUNS)


def leave(transport: Transport, host: Host, kept: Sequence[str]) -> None:
    """End what runs left running there, remove what they wrote but what is `kept`. HostError where one is under way.

    Without fleet on it there is nothing to leave.
    """
    if FOLDER not in kept:
        drop = Command(argv=("/bin/sh", "-c", 'rm -rf -- "$0/$1"', host.work_dir, FOLDER), timeout=LEAVE_SECONDS)
        transport.run(host, drop)
    argv = (host.python, "-c", _LEAVE, host.work_dir, *kept)
    done = transport.run(host, Command(argv=argv, timeout=LEAVE_SECONDS))
    match done.exit_status:
        case 0 | 126 | 127:
            return
        case status if status == BUSY:
            hint = "its tasks finish, it gets no new ones: wait for the run to end, then try again"
            raise HostError("a run is under way on it", host=host.name, hint=hint)
        case status:
            said = " ".join(tame(done.stderr.decode("utf-8", "replace"), 300).split())
            raise HostError(f"what runs left there cannot be ended: {said or f'exit status {status}'}", host=host.name)


def vanish(transport: Transport, host: Host) -> None:
    """Remove the work folder if nothing is in it: a bundle that was brought had made it. HostError."""
    argv = ("/bin/sh", "-c", 'rmdir -- "$0" 2>/dev/null; exit 0', host.work_dir)
    transport.run(host, Command(argv=argv, timeout=ASK_SECONDS))
