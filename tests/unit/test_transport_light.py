"""What is loaded to talk to a host: paramiko without the program runner that it needs for `Match exec` alone."""

from __future__ import annotations

import subprocess
import sys

LOADED = "import sys; print(*(name for name in ('asyncio', 'invoke.config') if name in sys.modules))"
MATCH = r"""
config = paramiko.SSHConfig.from_text('Match host a exec "test 1 = 1"\n  User there\nMatch exec "false"\n  Port 5\n')
found = config.lookup('a')
print(found['user'], found.get('port'), sys.modules['invoke'].__spec__ is not None)
"""


def _said(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


def test_connecting_loads_no_program_runner() -> None:
    assert _said(f"import fleet.transport.ssh\n{LOADED}") == ""


# It is there when the user's ssh_config asks for it.
def test_match_exec_of_an_ssh_config_works() -> None:
    assert _said(f"import sys, fleet.transport.ssh, paramiko\n{MATCH}") == "there None True"
