"""What sampling costs: 10 times a second, eight cards and their host, on the stub of NVML.

Beside it a plain C loop over the same calls at the same beat; nvitop's collector (in an environment of its own); a
program that stays and prints lines as `nvidia-smi --loop-ms` does; and a program started at each tick (an empty one
here: nvidia-smi itself takes 10 to 20 ms). CPU time, not elapsed time: of ticks without a pause, and of the sampler
itself, which wakes up ten times a second to caches that others have used meanwhile, as the rivals do.

A call through ctypes takes several times as long as the stub's functions do, so no loop in Python comes near C's there:
how far the sampler is above such calls with nothing around them is told, too.

The stub's calls take a tenth of a microsecond, a driver's from 2.5 microseconds to milliseconds, so the calls are also
compared on a stub whose calls compute as long as a driver's at least: TAKES.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
STUB = HERE.parents[1] / "lab/nvml_stub/nvml_stub.c"
SCRIPTS = HERE.parents[1] / "lab/test_nvml_stub.py"
PEER = Path(sys.prefix) / "peers/bin/python"
TICKS = 500
BEATS = 100
RIVAL_TICKS = 50
RATE = 10.0
CARDS = 8
_NOT_INSTALLED = 3
GOAL_CORE, GOAL_RATIO = 0.003, 1.5
TAKES = {"nvmlDeviceGetMemoryInfo_v2": 11.6, "nvmlDeviceGetMemoryInfo": 11.6, "*": 2.5}
"""Microseconds of a call. Medians measured by others on an RTX 4090 with driver 610.57 (github.com/flightlessmango/
MangoHud, pull request 2104): 11.6 for the memory, 2.5 for the utilisation. The others are set to the lower of the two,
though some are known to take longer (power: 365 on a K40m, github.com/wookayin/gpustat, issue 76)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """CPU seconds of a tick, all on the same stub: the C loop's, fleet's whole and its parts; bytes of its spool.

    `calls`: the driver's functions called through ctypes, and nothing else.
    Tick upon tick, but for `…beat`: asleep in between, as a sampler is.
    """

    floor: float
    floor_beat: float
    whole: float
    beat: float
    cards: float
    calls: float
    host: float
    bytes: float

    @property
    def ratio(self) -> float:
        """The cards' calls beside the C loop's."""
        return self.cards / self.floor


def main() -> int:
    """Build, measure, print a table; 1 where a goal is missed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        instant, paced = built(folder, {}), built(folder, TAKES)
        found, slower = measured(folder, instant), measured(folder, paced)
        nvitop, lines = rival(PEER, "nvitop", instant), rival(Path(sys.executable), "lines", instant)
        starts = started_programs()
    rows = [
        ("a plain C loop over the same calls", found.floor),
        ("fleet: cards, host, samples, spool", found.whole),
        ("  of that: the cards' calls", found.cards),
        ("    of that: ctypes and the driver", found.calls),
        ("  of that: /proc and /sys", found.host),
        ("the C loop, asleep between ticks", found.floor_beat),
        ("fleet's sampler, likewise", found.beat),
        ("nvitop's collector", nvitop),
        ("lines by pynvml, as nvidia-smi --loop-ms", lines),
        ("a program started at each tick", starts),
        ("C loop, calls as long as a driver's", slower.floor),
        ("  the cards' calls, likewise", slower.cards),
    ]
    say(f"{CARDS} cards, {RATE:.0f} Hz: CPU time of a tick, and the share of one core")
    for what, seconds in rows:
        shown = "not installed" if seconds is None else f"{seconds * 1e6:9.0f} µs  {seconds * RATE:7.2%}"
        say(f"  {what:<42}{shown}")
    say(f"  the spool grows by {found.bytes:.0f} bytes a tick")
    share = found.whole * RATE
    say(f"goal: {share:.2%} of a core on the instant stub (at most {GOAL_CORE:.1%})")
    say(f"goal: the calls {found.ratio:.1f} times C on the instant stub (at most {GOAL_RATIO})")
    bare = found.calls / found.floor
    say(f"      {bare:.1f} times C are bare calls through ctypes; ours are {found.cards / found.calls:.1f} times those")
    say(f"      {slower.ratio:.2f} times C where calls take as long as a driver's at least")
    return int(share > GOAL_CORE or found.ratio > GOAL_RATIO)


def measured(folder: Path, environment: dict[str, str]) -> Measured:
    """C and fleet on one stub."""
    loop = str(folder / "loop")
    floor = float(said((loop, str(TICKS * 10)), environment))
    floor_beat = float(said((loop, str(BEATS), str(round(1e6 / RATE))), environment))
    ours = json.loads(said((sys.executable, str(HERE / "ticks.py"), str(TICKS)), environment))
    return Measured(floor=floor, floor_beat=floor_beat, **ours)


def rival(python: Path, name: str, environment: dict[str, str]) -> float | None:
    """CPU seconds of a tick; None where it is not installed."""
    if not python.exists():
        return None
    words = (str(python), str(HERE / "rival.py"), name, str(RIVAL_TICKS))
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in {0, _NOT_INSTALLED}:
        raise RuntimeError(f"{name} failed:\n{done.stderr[-2000:]}")
    return float(done.stdout) if done.returncode == 0 else None


def built(folder: Path, takes: dict[str, float]) -> dict[str, str]:
    """The stub, its script of eight cards, and the C loop; the environment to run against them.

    `takes`: microseconds that calls compute.
    """
    library = folder / "libnvidia-ml.so.1"
    compiler = ("gcc", "-std=gnu11", "-O2")
    subprocess.run((*compiler, "-shared", "-fPIC", "-o", str(library), str(STUB), "-lm"), check=True)
    loop = ("-o", str(folder / "loop"), str(HERE / "loop.c"), f"-L{folder}", "-l:libnvidia-ml.so.1")
    subprocess.run((*compiler, *loop), check=True)
    found = re.search(r'DATACENTRE = """(.*?)"""', SCRIPTS.read_text(), re.DOTALL)
    if found is None:
        raise AssertionError("the stub's script has moved")
    cards = (found[1].replace("0000:17", f"0000:{16 + number:02x}") for number in range(CARDS))
    script = folder / ("paced" if takes else "instant")
    paces = "".join(f"takes {call} {microseconds}\n" for call, microseconds in takes.items())
    script.write_text(paces + "".join(cards))
    return {**os.environ, "LD_LIBRARY_PATH": str(folder), "NVML_STUB_SCRIPT": str(script)}


def said(argv: tuple[str, ...], environment: dict[str, str]) -> str:
    """What a program prints."""
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=True).stdout


def started_programs(count: int = 50) -> float:
    """CPU seconds to start and end a small program, ours and its own."""
    before = sum(resource.getrusage(who).ru_utime + resource.getrusage(who).ru_stime for who in (0, -1))
    for _ in range(count):
        subprocess.run(("/bin/true",), check=True)
    after = sum(resource.getrusage(who).ru_utime + resource.getrusage(who).ru_stime for who in (0, -1))
    return (after - before) / count


def say(line: str) -> None:
    """To the operator."""
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
