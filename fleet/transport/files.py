"""Files written and read by the host's own /bin/sh, so that no SFTP server is needed. The commands, and their answers.

Nothing here touches a host; the transports run these commands.
"""

from __future__ import annotations

from fleet.errors import CommandError
from fleet.model.inventory import Host
from fleet.model.playbook import Command, Completed
from fleet.transport.hearsay import in_brief

SLOWEST_LINK = 2.5e5
"""Bytes per second that any link to a host is taken to carry; a transfer's time limit follows from it."""

# The size is compared because a link that breaks looks like the end of the file to `cat`.
_PUT = """\
set -eu
umask 077
if [ -d "$1" ]; then echo "it is a directory" >&2; exit 1; fi
part=$1.part.$$
trap 'rm -f "$part"' EXIT
trap 'exit 1' HUP INT TERM
cat >"$part"
if [ "$(wc -c <"$part")" -ne "$3" ]; then echo "the upload was cut off" >&2; exit 1; fi
chmod "$2" "$part"
mv -f "$part" "$1"
"""
_GET = """\
if [ -d "$1" ]; then echo "it is a directory" >&2; exit 1; fi
if [ ! -e "$1" ]; then echo "there is no such file" >&2; exit 1; fi
if [ ! -r "$1" ]; then echo "it may not be read" >&2; exit 1; fi
tail -c "+$2" "$1" | head -c "$3"
"""


def put_command(path: str, data: bytes, mode: int) -> Command:
    """Write `data` beside `path` and rename it into place."""
    argv = ("/bin/sh", "-c", _PUT, "sh", _safe(path), f"{mode:04o}", str(len(data)))
    return Command(argv=argv, stdin=data, timeout=60.0 + len(data) / SLOWEST_LINK)


def get_command(path: str, offset: int, limit: int) -> Command:
    """Print up to `limit` bytes of `path` from `offset`."""
    argv = ("/bin/sh", "-c", _GET, "sh", _safe(path), str(offset + 1), str(limit))
    return Command(argv=argv, timeout=60.0 + limit / SLOWEST_LINK)


def check(host: Host, what: str, completed: Completed) -> Completed:
    """The answer, where the command succeeded; CommandError with the host's own words otherwise."""
    if completed.exit_status != 0:
        said = in_brief(completed.stderr) or f"exit status {completed.exit_status}"
        raise CommandError(
            f"cannot {what}: {said}",
            host=host.name,
            hint="look at the path, its permissions and the free space on the host",
        )
    return completed


def _safe(path: str) -> str:
    """A path that no tool takes for an option."""
    return f"./{path}" if path.startswith("-") else path
