"""One contract, three transports: this machine itself, OpenSSH's sshd, and fleet's own SSH server."""

from __future__ import annotations

import os
import socket
import stat
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from local_transport import LocalTransport

from fleet.errors import CommandError, ConnectError
from fleet.lab.layout import Layout, dressed
from fleet.lab.openssh import program
from fleet.lab.processes import start_time
from fleet.lab.servers import Backend, Lab
from fleet.model.inventory import Current, Host, Inventory, Login, Ports, Prices, Role, SyntheticSettings
from fleet.model.playbook import Command, Completed
from fleet.ports import Transport
from fleet.transport.ssh import SshTransport
from fleet.transport.streams import STREAM_LIMIT

pytestmark = pytest.mark.lab

ADDRESS = "127.0.0.41"
MIB = 2**20


def free_port() -> int:
    with socket.create_server((ADDRESS, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def one_host() -> Inventory:
    box = Host(
        name="box",
        role=Role.HEAD,
        login=Login(address=ADDRESS, port=free_port()),
        node_address=ADDRESS,
        devices=(),
        ports=Ports(first=1, last=2),
        python="python3",
        work_dir="/",
        lab=True,
    )
    return Inventory(
        name="contract",
        path="contract.yaml",
        hosts=(box,),
        current=Current(),
        prices=Prices(),
        workload=SyntheticSettings(),
    )


class Reached:
    """A host and the transport that reaches it; `home` is a directory there for the test's files."""

    def __init__(self, transport: Transport, host: Host, home: Path) -> None:
        self.transport = transport
        self.host = host
        self.home = home

    def run(self, *argv: str, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        return self.transport.run(self.host, Command(argv=argv, stdin=stdin, timeout=timeout))

    def script(self, text: str, timeout: float = 60.0) -> Completed:
        return self.run("/bin/sh", "-s", stdin=text.encode(), timeout=timeout)


@pytest.fixture(scope="module", params=["local", "openssh", "builtin"])
def transport(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Transport, Host]]:
    inventory = one_host()
    if request.param == "local":
        yield LocalTransport(), inventory.hosts[0]
        return
    if request.param == "openssh" and program() is None:
        pytest.skip("OpenSSH's sshd is not installed: apt-get install openssh-server")
    directory = tmp_path_factory.mktemp("a lab")
    with Lab(inventory.hosts, Layout(directory), backend=Backend(request.param)):
        ssh = SshTransport()
        yield ssh, dressed(inventory, directory).hosts[0]
        ssh.close()


@pytest.fixture
def reached(transport: tuple[Transport, Host], tmp_path: Path) -> Reached:
    return Reached(*transport, tmp_path)


def eventually(question: Callable[[], object], within: float = 20.0) -> bool:
    until = time.monotonic() + within
    while not question():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def gone(pid: int) -> bool:
    return start_time(pid) is None


# run


def test_streams_are_separate_and_the_status_is_an_answer(reached: Reached) -> None:
    done = reached.script("echo out; echo err >&2; exit 3")
    assert done == Completed(exit_status=3, stdout=b"out\n", stderr=b"err\n")


def test_stdin_arrives_whole_and_ends(reached: Reached) -> None:
    assert reached.run("cat", stdin=b"\x00one\r\ntwo\xff") == Completed(
        exit_status=0, stdout=b"\x00one\r\ntwo\xff", stderr=b""
    )
    assert reached.run("cat").stdout == b""


def test_words_arrive_as_they_are(reached: Reached) -> None:
    """No shell on the way finds a meaning in any of them."""
    quotes = ("'", '"', "\\", "\\\\", "\\'", "`id`", "$(id)", "$HOME", "\\0101")
    globs = ("*", "?", "~", "[a]", "{a,b}", "(a)", "^", "#", ";", "&", "|", "<", ">", "!", "!!", "%", "%s", "%self")
    texts = ("", " ", "a b", "a\nb", "\n", "tail\n\n", "\t", "=ls", "a=b", "-n", "--", "é", "𝄞", "\x01\x7f", "x" * 3000)
    words = (*quotes, *globs, *texts)
    done = reached.run("/bin/sh", "-c", 'printf "%s\\000" "$@"', "sh", *words)
    assert done.stdout.decode().split("\0") == [*words, ""]
    assert (done.exit_status, done.stderr) == (0, b"")


def test_megabytes_in_and_out_at_once_do_not_stall(reached: Reached) -> None:
    """The script floods both streams before it has been read to its end."""
    flood = "yes out | head -c 3000000; yes err | head -c 3000000 >&2\n"
    done = reached.script(flood + f"#{'x' * 4_000_000}\n" + flood + "exit 7")
    assert (done.exit_status, len(done.stdout), len(done.stderr)) == (7, 6_000_000, 6_000_000)
    assert not done.truncated


def test_fifty_megabytes_of_stdin(reached: Reached) -> None:
    assert reached.run("wc", "-c", stdin=bytes(50_000_000)).stdout.split() == [b"50000000"]


def test_endless_output_is_cut_and_the_command_goes_on(reached: Reached) -> None:
    done = reached.script("head -c 20000000 /dev/zero; echo end >&2; exit 5")
    assert (done.exit_status, len(done.stdout), done.stderr, done.truncated) == (5, STREAM_LIMIT, b"end\n", True)


def test_a_program_need_not_read_its_stdin(reached: Reached) -> None:
    assert reached.run("true", stdin=bytes(10 * MIB)).exit_status == 0


def test_an_unknown_program_is_an_answer(reached: Reached) -> None:
    done = reached.run("no-such-program-here")
    assert done.exit_status == 127
    assert b"no-such-program-here" in done.stderr


def test_a_program_ended_by_a_signal_has_no_status(reached: Reached) -> None:
    assert reached.run("/bin/sh", "-c", "kill -9 $$").exit_status == -1


def test_a_command_that_outlives_its_time_is_ended(reached: Reached) -> None:
    """It, and what it started, are gone from the host; the error says where and what to do."""
    pids = reached.home / "pids"
    with pytest.raises(CommandError, match=r"box: .*did not end within 1.0 s \(.+\)"):
        reached.script(f"sleep 3600 & echo $! $$ > '{pids}'; wait", timeout=1.0)
    assert eventually(lambda: all(gone(int(pid)) for pid in pids.read_text().split()))


def test_time_runs_out_for_the_deaf_and_the_chatty_too(reached: Reached) -> None:
    """Neither ignoring SIGTERM, nor writing all the time, nor leaving stdin unread buys any."""
    with pytest.raises(CommandError, match="did not end"):
        reached.run("/bin/sh", "-c", "trap '' TERM HUP; while :; do echo still here; sleep 0.05; done", timeout=1.0)
    with pytest.raises(CommandError, match="did not end"):
        reached.run("sleep", "3600", stdin=bytes(20 * MIB), timeout=1.0)


def test_what_a_command_leaves_running_on_purpose_goes_on(reached: Reached) -> None:
    done = reached.script("nohup sleep 300 </dev/null >/dev/null 2>&1 & echo $!")
    pid = int(done.stdout)
    try:
        time.sleep(0.3)
        assert not gone(pid)
    finally:
        os.kill(pid, 9)


def test_many_threads_share_a_host(reached: Reached) -> None:
    """Sixteen commands at once, each gets its own answer."""
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: reached.run("echo", str(n)).stdout, range(48)))
    assert answers == [f"{n}\n".encode() for n in range(48)]


# put and get


@pytest.mark.parametrize("name", ["plain", "with space", "-n", "qu'ote", "uml\u00e4ut\nnewline", "$HOME"])
def test_a_file_comes_back_as_it_went(reached: Reached, name: str) -> None:
    path = f"{reached.home}/{name}"
    reached.transport.put(reached.host, path, b"\x00data\xff\n", 0o640)
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o640
    assert reached.transport.get(reached.host, path, 0, 100) == b"\x00data\xff\n"
    assert [entry.name for entry in reached.home.iterdir()] == [name]


def test_a_relative_path_starts_at_home_even_with_a_dash(reached: Reached) -> None:
    name = f"-{uuid.uuid4()}"
    reached.transport.put(reached.host, name, b"x", 0o600)
    try:
        assert reached.transport.get(reached.host, name, 0, 9) == b"x"
    finally:
        assert reached.run("rm", "--", name).exit_status == 0


def test_a_part_of_a_file(reached: Reached) -> None:
    path = reached.home / "digits"
    path.write_bytes(b"0123456789")
    parts = [
        reached.transport.get(reached.host, str(path), *part) for part in ((0, 3), (3, 4), (8, 9), (10, 5), (99, 5))
    ]
    assert parts == [b"012", b"3456", b"89", b"", b""]


def test_big_files(reached: Reached) -> None:
    data = os.urandom(20 * MIB)
    path = str(reached.home / "big")
    reached.transport.put(reached.host, path, data, 0o600)
    assert reached.transport.get(reached.host, path, 0, 30 * MIB) == data


def test_a_file_is_replaced_whole(reached: Reached) -> None:
    """A reader that holds the old file keeps the old file: it is another inode."""
    path = reached.home / "file"
    path.write_bytes(b"old and longer")
    with path.open("rb") as held:
        reached.transport.put(reached.host, str(path), b"new", 0o600)
        assert held.read() == b"old and longer"
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize(("name", "why"), [("none", "no such file"), (".", "directory")])
def test_what_cannot_be_read_is_said(reached: Reached, name: str, why: str) -> None:
    with pytest.raises(CommandError, match=f"box: cannot read .*{why}"):
        reached.transport.get(reached.host, f"{reached.home}/{name}", 0, 10)


def test_what_cannot_be_written_is_said_and_leaves_nothing(reached: Reached) -> None:
    with pytest.raises(CommandError, match=r"box: cannot write .*directory"):
        reached.transport.put(reached.host, str(reached.home), b"x", 0o600)
    with pytest.raises(CommandError, match="box: cannot write"):
        reached.transport.put(reached.host, f"{reached.home}/none/file", b"x", 0o600)
    assert list(reached.home.iterdir()) == []


# open


def test_a_conversation(reached: Reached) -> None:
    channel = reached.transport.open(reached.host, ("/bin/sh", "-c", 'while read -r l; do echo "got $l"; done'))
    for word in ("one", "ünö", ""):
        channel.send(word)
        assert channel.receive(20) == f"got {word}"
    channel.close()
    channel.close()
    assert channel.receive(20) is None


def test_closing_ends_the_programs_stdin(reached: Reached) -> None:
    """It gets the time to clean up after itself."""
    trace = reached.home / "cleaned"
    channel = reached.transport.open(reached.host, ("/bin/sh", "-c", f"cat; sleep 0.5; echo done > '{trace}'"))
    channel.close()
    assert eventually(lambda: trace.exists() and trace.read_text() == "done\n")


def test_the_end_of_its_stdout_is_none(reached: Reached) -> None:
    channel = reached.transport.open(reached.host, ("/bin/sh", "-c", "printf 'one\\ntwo'"))
    assert [channel.receive(20) for _ in range(4)] == ["one", "two", None, None]
    channel.close()


def test_silence_is_an_error_and_the_talk_can_go_on(reached: Reached) -> None:
    channel = reached.transport.open(reached.host, ("cat",))
    with pytest.raises(CommandError, match="box: said nothing for 100 ms"):
        channel.receive(0.1)
    channel.send("late")
    assert channel.receive(20) == "late"
    channel.close()


def test_complaints_are_drained_and_the_last_are_kept(reached: Reached) -> None:
    """Four megabytes of stderr do not stall the program, and a terminal could show the rest of it."""
    flood = "yes complaint | head -c 4000000 >&2; printf '\\033[31mlast words' >&2; echo done; cat"
    channel = reached.transport.open(reached.host, ("/bin/sh", "-c", flood))
    assert channel.receive(60) == "done"
    assert eventually(lambda: channel.complaints.endswith("complaint\nlast words"))
    assert len(channel.complaints) <= 4096
    channel.close()


def test_what_is_not_utf8_is_replaced(reached: Reached) -> None:
    channel = reached.transport.open(reached.host, ("printf", "a\\377b\\n"))
    assert channel.receive(20) == "a\N{REPLACEMENT CHARACTER}b"
    channel.close()


def test_long_lines_arrive(reached: Reached) -> None:
    """A result of ten megabytes is one line, both ways."""
    channel = reached.transport.open(reached.host, ("cat",))
    line = "x" * (10 * MIB)
    writer = threading.Thread(target=channel.send, args=(line,))
    writer.start()
    assert channel.receive(60) == line
    writer.join(20)
    channel.close()


def test_a_line_without_end_ends_the_talk(reached: Reached) -> None:
    channel = reached.transport.open(reached.host, ("/bin/sh", "-c", "head -c 40000000 /dev/zero"))
    with pytest.raises(CommandError, match=r"a line of more than 32.0 MiB"):
        channel.receive(60)
    channel.close()


def test_a_program_that_has_ended_takes_no_line(reached: Reached) -> None:
    channel = reached.transport.open(reached.host, ("true",))
    assert channel.receive(20) is None

    def refused() -> bool:
        try:
            channel.send("anybody?")
        except ConnectError as error:
            return error.host == "box"
        return False

    assert eventually(refused)
    channel.close()
