"""Who works from this machine: what whoever else comes to a host is told."""

from __future__ import annotations

import getpass
import os
import socket
import time


def controller() -> str:
    """The user, this machine, this process, and since when."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        user = "somebody"
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    return f"{user}@{socket.gethostname()}, process {os.getpid()} there, since {since} UTC"
