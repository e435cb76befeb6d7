"""OpenSSH's sshd as a lab server: found, configured for one address and one key, and asked whether it would run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from fleet.lab import account
from fleet.model.inventory import Host

_PLACES = ("/usr/sbin", "/usr/local/sbin", "/sbin", "/opt/homebrew/sbin")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CONFIG = """\
ListenAddress {address}
Port {port}
HostKey "{host_key}"
AuthorizedKeysFile "{authorized}"
AuthenticationMethods publickey
AllowUsers {user}
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PermitUserEnvironment no
SetEnv {environment}
AllowTcpForwarding {forwarding}
AllowAgentForwarding no
X11Forwarding no
PrintMotd no
PrintLastLog no
UseDNS no
LoginGraceTime 20
MaxStartups 100
MaxSessions 100
PidFile none
Subsystem sftp internal-sftp
LogLevel INFO
"""


def program() -> str | None:
    """The path of sshd, absolute as it wants to be called; None where it is not installed."""
    return shutil.which("sshd", path=os.pathsep.join((os.environ.get("PATH", ""), *_PLACES)))


def configuration(host: Host, *, host_key: Path, authorized: Path, home: Path, cluster: bool = False) -> str:
    """The text of sshd_config for a lab host.

    `cluster`: a cluster runs there: what is in the home's `bin` is on the path, and its ports are led to.
    """
    environment = [f'"HOME={home}"', *([f'"PATH={home}/bin:{_PATH}"'] if cluster else [])]
    return _CONFIG.format(
        address=host.login.address,
        port=host.login.port,
        host_key=host_key,
        authorized=str(authorized).replace("%", "%%"),
        user=account.user_name(),
        environment=" ".join(environment),
        forwarding="local" if cluster else "no",
    )


def argv(sshd: str, config: Path) -> tuple[str, ...]:
    """Run in the foreground, log to stderr."""
    return (sshd, "-D", "-e", "-f", str(config))


def obstacle(sshd: str | None, config: Path) -> str | None:
    """Why sshd cannot serve this user with this configuration, in a sentence; None where it can."""
    if sshd is None:
        return "sshd is not installed"
    if why := account.obstacle():
        return why
    said = _check(sshd, config)
    if missing := re.search(r"Missing privilege separation directory: (\S+)", said):
        # It lies under /run, so that it is gone after a start of the machine until the sshd service makes it.
        with suppress(OSError):
            Path(missing[1]).mkdir(mode=0o755, parents=True)
        said = _check(sshd, config)
    return said or None


def _check(sshd: str, config: Path) -> str:
    done = subprocess.run((sshd, "-t", "-f", str(config)), capture_output=True, text=True, check=False, timeout=20)
    return done.stderr.strip() if done.returncode else ""
