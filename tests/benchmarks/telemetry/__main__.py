"""What sampling costs: 10 times a second, eight cards and their host, on the stub of NVML.

Beside it a plain C loop over the same calls, nvitop's collector where nvitop is installed, and a program started at
each tick as polling with nvidia-smi does (an empty one here: the real one takes longer). CPU time, not elapsed time.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
STUB = HERE.parents[1] / "lab/nvml_stub/nvml_stub.c"
SCRIPTS = HERE.parents[1] / "lab/test_nvml_stub.py"
TICKS = 500
RATE = 10.0
CARDS = 8
GOAL_CORE, GOAL_RATIO = 0.003, 1.5
NVITOP = """
import sys, time
try:
    from nvitop import ResourceMetricCollector
except ImportError:
    sys.exit(3)
collector = ResourceMetricCollector(interval=0.1).activate(tag="bench")
collector.collect()
begun = time.process_time()
for _ in range({ticks}):
    collector.take_snapshots()
print((time.process_time() - begun) / {ticks})
"""


def main() -> int:
    """Build, measure, print a table; 1 where a goal is missed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = built(folder)
        floor = float(said((str(folder / "loop"), str(TICKS * 10)), environment))
        ours = json.loads(said((sys.executable, str(HERE / "ticks.py"), str(TICKS)), environment))
        rival = subprocess.run(
            (sys.executable, "-c", NVITOP.format(ticks=TICKS // 10)),
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        starts = started_programs()
    rows = [
        ("a plain C loop over the same calls", floor),
        ("fleet: cards, host, samples, spool", ours["whole"]),
        ("  of that: the cards' calls", ours["cards"]),
        ("  of that: /proc and /sys", ours["host"]),
        ("nvitop's collector", float(rival.stdout) if rival.returncode == 0 else None),
        ("a program started at each tick", starts),
    ]
    say(f"{CARDS} cards, {RATE:.0f} Hz: CPU time of a tick, and the share of one core")
    for what, seconds in rows:
        say(
            f"  {what:<38}"
            + ("not installed" if seconds is None else f"{seconds * 1e6:9.0f} µs  {seconds * RATE:7.2%}")
        )
    say(f"  the spool grows by {ours['bytes']:.0f} bytes a tick")
    share, ratio = ours["whole"] * RATE, ours["cards"] / floor
    say(f"goals: {share:.2%} of a core (at most {GOAL_CORE:.1%}); the calls {ratio:.1f} times C (at most {GOAL_RATIO})")
    return int(share > GOAL_CORE or ratio > GOAL_RATIO)


def built(folder: Path) -> dict[str, str]:
    """The stub, its script of eight cards, and the C loop; the environment to run against them."""
    library = folder / "libnvidia-ml.so.1"
    compiler = ("gcc", "-std=gnu11", "-O2")
    subprocess.run((*compiler, "-shared", "-fPIC", "-o", str(library), str(STUB), "-lm"), check=True)
    loop = ("-o", str(folder / "loop"), str(HERE / "loop.c"), f"-L{folder}", "-l:libnvidia-ml.so.1")
    subprocess.run((*compiler, *loop), check=True)
    found = re.search(r'DATACENTRE = """(.*?)"""', SCRIPTS.read_text(), re.DOTALL)
    if found is None:
        raise AssertionError("the stub's script has moved")
    cards = (found[1].replace("0000:17", f"0000:{16 + number:02x}") for number in range(CARDS))
    (folder / "script").write_text("".join(cards))
    return {**os.environ, "LD_LIBRARY_PATH": str(folder), "NVML_STUB_SCRIPT": str(folder / "script")}


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
