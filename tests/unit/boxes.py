"""Boxes: isolated hosts for tests that change a system as root. Real sshd; a root, network and processes of its own.

A box's root is an overlay of this machine's, thrown away with the box. Its network namespace has a loopback and nothing
else; a relay hands connections to a loopback port of this machine over to its sshd, so that no interface is added here.
A box that is `booted` has systemd as its first process, which starts nothing of what this machine starts.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from fleet.lab.keys import ensure_key
from fleet.lab.openssh import program as sshd_program
from fleet.model.inventory import Host, Login, Ports, Role

_CLONE_NEWNET = 0x40000000

# Everything is mounted in the box's own namespace: it is gone when the box's last process is.
_START = """\
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/up" "$1/work" "$1/root"
mount -t overlay fleet-box -o "lowerdir=/,upperdir=$1/up,workdir=$1/work" "$1/root"
mount -t proc proc "$1/root/proc"
mount -t tmpfs tmpfs "$1/root/run"
mount -t tmpfs tmpfs "$1/root/tmp"
mount -t sysfs sysfs "$1/root/sys"
mkdir -p "$1/root/run/sshd" "$1/root/run/lock"
chmod 1777 "$1/root/tmp"
ln -s /run "$1/root/var/run" 2>/dev/null || true
cp "$2/sshd_config" "$2/host_key" "$2/authorized_keys" "$1/root/run/sshd/"
chmod 600 "$1/root/run/sshd/host_key"
rm -f "$1/root/root/.bashrc" "$1/root/root/.profile"  # this machine's: it may take longer than all that is tried
hostname "$3"
ip link set lo up
"""
_PLAIN = """\
mount --rbind /dev "$1/root/dev"
mount --rbind /sys/fs/cgroup "$1/root/sys/fs/cgroup" 2>/dev/null || true
exec chroot "$1/root" /bin/sh -c 'usermod -p "*" root; exec "$0" -D -e -f /run/sshd/sshd_config' "$4"
"""
# systemd writes into /dev, which would be the machine's; what it would ready and start is the machine's, too.
_SYSTEMD = """\
mount -t tmpfs tmpfs "$1/root/dev"
for device in null zero full random urandom tty; do
    : >"$1/root/dev/$device"; mount --bind "/dev/$device" "$1/root/dev/$device"
done
mkdir "$1/root/dev/pts" "$1/root/dev/shm"
mount -t devpts devpts "$1/root/dev/pts" -o newinstance,ptmxmode=0666
ln -s pts/ptmx "$1/root/dev/ptmx"
ln -s /proc/self/fd "$1/root/dev/fd"
mount -t cgroup2 cgroup2 "$1/root/sys/fs/cgroup"
rm -rf "$1/root"/etc/systemd/system/* "$1/root"/lib/systemd/system/*.wants
printf '[Unit]\nRequires=basic.target\nAfter=basic.target\n' >"$1/root/etc/systemd/system/box.target"
exec env -i container=box PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$1/root" /bin/sh -c '
    usermod -p "*" root
    "$0" -D -e -f /run/sshd/sshd_config &
    exec /lib/systemd/systemd --system --unit=box.target' "$4"
"""
_SSHD = """\
ListenAddress 127.0.0.1
Port 22
HostKey /run/sshd/host_key
AuthorizedKeysFile /run/sshd/authorized_keys
PermitRootLogin prohibit-password
UsePAM no
StrictModes no
UseDNS no
PidFile none
MaxSessions 100
"""


@dataclass(frozen=True, slots=True)
class Box:
    """A running box, and how fleet reaches it."""

    pid: int
    host: Host

    def run(self, script: str, *, check: bool = True) -> str:
        """What a shell script says that runs inside of it, as root, not by SSH."""
        words = ["nsenter", "--target", str(self.pid), "--all", "--root", "/bin/sh", "-c", f"cd /\n{script}"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or not check, (script, done.stdout, done.stderr)
        return done.stdout

    def put(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file in it."""
        file = Path(f"/proc/{self.pid}/root{path}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)


def obstacle() -> str | None:
    """Why no box can be made here, in a sentence; None where one can."""
    if os.geteuid() != 0:
        return "boxes (namespaces, overlay) need root"
    if missing := [name for name in ("setpriv", "unshare", "nsenter", "ip", "chroot") if shutil.which(name) is None]:
        return f"boxes need {', '.join(missing)}"
    if sshd_program() is None:
        return "boxes need OpenSSH's sshd: apt-get install openssh-server"
    script = 'mount -t tmpfs tmpfs "$1" && mkdir "$1/u" "$1/w" "$1/r" && '
    script += 'mount -t overlay o -o "lowerdir=/,upperdir=$1/u,workdir=$1/w" "$1/r" && mount -t proc proc "$1/r/proc"'
    with tempfile.TemporaryDirectory() as folder:
        words = [*_unshare(), "/bin/sh", "-c", script, "sh", folder]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    return f"namespaces or overlays are not allowed here: {done.stderr.strip()[-200:]}" if done.returncode else None


def no_systemd() -> str | None:
    """Why no box can be booted by systemd here, in a sentence; None where one can."""
    if not Path("/lib/systemd/systemd").exists():
        return "there is no systemd: apt-get install systemd"
    return "there are no control groups of version 2 to give systemd" if _cgroups() is None else None


def _cgroups() -> Path | None:
    """Where this machine has its control groups of version 2."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return next((Path(words[1]) for words in mounts if words[2] == "cgroup2"), None)


@contextmanager
def _group(name: str) -> Iterator[Path]:
    """A control group that is taken away with all that were made in it."""
    top = _cgroups()
    assert top is not None
    group = top / f"fleet-{name}-{os.getpid()}"
    group.mkdir()
    try:
        yield group
    finally:
        for folder, _, _ in os.walk(group, topdown=False):
            _remove(Path(folder))


def _remove(group: Path) -> None:
    """Take a control group away as soon as the last of its processes is gone."""
    for _ in range(200):
        with suppress(OSError):
            group.rmdir()
            return
        time.sleep(0.05)


def _unshare() -> list[str]:
    # A box ends with who made it, however that ends.
    return [
        "setpriv",
        "--pdeathsig",
        "KILL",
        "unshare",
        "--mount",
        "--net",
        "--uts",
        "--ipc",
        "--pid",
        "--fork",
        "--kill-child",
        "--propagation=private",
    ]


@contextmanager
def running(name: str = "box") -> Iterator[Box]:
    """A box that is up, by the name `name`."""
    with _started(name, _unshare(), _PLAIN) as box:
        yield box


@contextmanager
def booted(name: str = "box") -> Iterator[Box]:
    """A box whose first process is systemd, and up."""
    with _group(name) as group:
        enter = ["/bin/sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', str(group)]
        with _started(name, [*enter, *_unshare(), "--cgroup"], _SYSTEMD) as box:
            for _ in range(100):
                if box.run("systemctl is-system-running --wait", check=False).strip() in {"running", "degraded"}:
                    break
                time.sleep(0.1)
            yield box


@contextmanager
def _started(name: str, spaces: list[str], first: str) -> Iterator[Box]:
    """A box whose namespaces `spaces` makes, and whose first process `first` becomes."""
    sshd = sshd_program()
    assert sshd is not None
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        (folder / "mnt").mkdir()
        (folder / "sshd_config").write_text(_SSHD)
        (folder / "authorized_keys").write_text(ensure_key(folder / "client_key") + "\n")
        public = ensure_key(folder / "host_key")
        words = [*spaces, "/bin/sh", "-c", _START + first, "sh", str(folder / "mnt"), str(folder), name, sshd]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
        try:
            pid = _first_child(process, folder / "log")
            with socket.create_server(("127.0.0.1", 0)) as listener:
                threading.Thread(target=_relay, args=(listener, pid), daemon=True).start()
                port = listener.getsockname()[1]
                (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}\n")
                yield Box(pid=pid, host=_host(name, port, folder))
                with suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)
        finally:
            process.send_signal(signal.SIGKILL)  # the first process of its namespace goes along, and all others with it
            process.wait(10)


def _host(name: str, port: int, folder: Path) -> Host:
    login = Login(
        address="127.0.0.1",
        port=port,
        user="root",
        key=str(folder / "client_key"),
        known_hosts=str(folder / "known_hosts"),
    )
    return Host(
        name=name,
        role=Role.HEAD,
        login=login,
        node_address="127.0.0.1",
        devices=(),
        ports=Ports(first=20000, last=20299),
        python="/usr/bin/python3",
        work_dir="/root/fleet",
    )


def _first_child(process: subprocess.Popen[bytes], log: Path) -> int:
    """The box's first process, as soon as it is sshd and listens."""
    until = time.monotonic() + 20
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text("utf-8", "replace")
        if b"Server listening" in log.read_bytes():
            return int(children.read_text().split()[0])
        time.sleep(0.02)
    raise AssertionError(log.read_text("utf-8", "replace"))


def _relay(listener: socket.socket, pid: int) -> None:
    """Connections to `listener`, which lives in this machine's network, go on to port 22 in the box's network.

    This thread, and those that it starts, are in the box's network namespace; a socket stays where it was made.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    with Path(f"/proc/{pid}/ns/net").open("rb") as space:
        assert libc.setns(space.fileno(), _CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_carry, args=(near,), daemon=True).start()


def _carry(near: socket.socket) -> None:
    with near, suppress(OSError), socket.create_connection(("127.0.0.1", 22)) as far:
        back = threading.Thread(target=_pump, args=(far, near), daemon=True)
        back.start()
        _pump(near, far)
        back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
