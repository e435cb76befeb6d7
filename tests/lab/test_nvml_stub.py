"""Telemetry of GPUs against a stub of NVML whose truth is known: figures recovered, and every failure survived."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleet.codec.text import load_line
from fleet.model.samples import CardProcess, CardState, DeviceSample, Lack
from fleet.model.wire import Spooled

pytestmark = [pytest.mark.lab, pytest.mark.alone]

HERE = Path(__file__).parent
COMPILE = ("gcc", "-std=gnu11", "-O2", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror")

DATACENTRE = """
driver 580.65.06
window 0.1
card Stub_H100 GPU-0000-a 0000:17:00.0
wave busy 0 100 2 0.35
wave memory_busy 0 100 2 0.2
is memory_total 85899345920
is memory_used 34359738368
is power 512500
is power_limit 700000
is power_default 700000
is temperature 61
is memory_temperature 78
is sm_clock 1755
is sm_clock_max 1980
is memory_clock 2619
is memory_clock_max 2619
is app_clock 1980
is app_clock_default 1980
is throttle 4
grow violation_power 5 0.25 64
grow violation_thermal 0 0 64
grow violation_board 0 0 64
grow violation_reliability 0 0 64
grow violation_sync 0 0 64
is pcie_generation 5
is pcie_width 16
is pcie_generation_max 5
is pcie_width_max 16
grow pcie_sent 1000 3.5e9 64
grow pcie_received 4.29e9 1.2e9 64
is replays 7
is nvlinks 18
grow nvlink_sent 0 2e6 64
grow nvlink_received 0 4e6 64
is ecc_on 1
is ecc_corrected 3
is ecc_uncorrected 0
is retired 2
is remapped 1
is remap_pending 1
is mig 0
is compute_mode 3
is persistence 1
is events 8
process 4242 1073741824 compute /usr/bin/prover
process 17 1024 graphics Xorg
"""
CONSUMER = """
driver 580.65.06
card Stub_RTX_4090 GPU-0001-a 0000:01:00.0
is busy 97
is memory_busy 40
is memory_total 25757220864
is memory_used 9000000000
is power 401000
is power_limit 450000
is temperature 66
is sm_clock 2520
is memory_clock 10251
is sm_clock_max 3105
is memory_clock_max 10501
is throttle 0
is pcie_generation 4
is pcie_width 8
is pcie_generation_max 4
is pcie_width_max 16
is throughput_sent 1000000
is throughput_received 2000000
is replays 0
"""
"""What a card of this kind does not have is left out: ECC, MIG, violations, byte counters, memory's heat, events."""


@dataclass(frozen=True)
class Seen:
    """What came of a script."""

    samples: tuple[DeviceSample, ...]
    states: tuple[CardState, ...]
    lacks: tuple[Lack, ...]

    def reasons(self, device: str = "gpu0") -> dict[str, str]:
        return {lack.field: lack.reason for lack in self.lacks if lack.device == device}

    def mean(self, field: str) -> float:
        """Over the samples that have it."""
        found = [getattr(sample, field) for sample in self.samples]
        return statistics.fmean(value for value in found if value is not None)


Play = Callable[..., Seen]


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders with the stub as a new driver has it, and as an old one."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc to build the stub of NVML")
    folders = {}
    for name, flags in (("new", ()), ("old", ("-DOLD_DRIVER",))):
        folder = folders[name] = tmp_path_factory.mktemp(name)
        library = str(folder / "libnvidia-ml.so.1")
        subprocess.run((*COMPILE, *flags, "-o", library, str(HERE / "nvml_stub/nvml_stub.c"), "-lm"), check=True)
    return folders


@pytest.fixture
def play(stubs: dict[str, Path], tmp_path: Path) -> Play:
    """Plays a script, so many samples at such an interval, in a process of its own."""

    def run(script: str, *, interval: float = 0.1, count: int = 5, driver: str = "new") -> Seen:
        (tmp_path / "script").write_text(script)
        (tmp_path / "clock").write_bytes(bytes(8))
        done = subprocess.run(
            (sys.executable, str(HERE / "nvml_player.py"), str(tmp_path / "clock"), str(interval), str(count)),
            env={
                **os.environ,
                "LD_LIBRARY_PATH": str(stubs[driver]),
                "NVML_STUB_SCRIPT": str(tmp_path / "script"),
                "NVML_STUB_CLOCK": str(tmp_path / "clock"),
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return sorted_out([load_line(Spooled, line) for line in done.stdout.splitlines()])

    return run


def sorted_out(lines: Sequence[object]) -> Seen:
    return Seen(
        samples=tuple(line for line in lines if isinstance(line, DeviceSample)),
        states=tuple(line for line in lines if isinstance(line, CardState)),
        lacks=tuple(line for line in lines if isinstance(line, Lack)),
    )


def without(script: str, *keys: str) -> str:
    """The script without these lines."""
    kept = (line for line in script.splitlines() if not line.split()[1:2] or line.split()[1] not in keys)
    return "\n".join((*kept, ""))


def test_a_square_wave_and_byte_counters_are_recovered_within_a_hundredth(play: Play) -> None:
    """Twenty seconds at 10 Hz: shares of busy time, bytes both ways, and the time that the power cap took."""
    seen = play(DATACENTRE, count=200)
    assert len(seen.samples) == 200
    assert seen.mean("busy") == pytest.approx(0.35, rel=0.01)
    assert seen.mean("memory_busy") == pytest.approx(0.2, rel=0.01)
    assert seen.mean("sent") == pytest.approx(3.5e9, rel=0.01)
    assert seen.mean("received") == pytest.approx(1.2e9, rel=0.01)
    assert seen.mean("nvlink_sent") == pytest.approx(2e6 * 1024, rel=0.01)
    assert seen.mean("violation_power") == pytest.approx(0.25, rel=0.01)
    assert {sample.violation_thermal for sample in seen.samples} == {0.0, None}
    assert sum(sample.violation_thermal is not None for sample in seen.samples) in range(18, 22)


def test_a_data_centre_card_tells_everything(play: Play) -> None:
    seen = play(DATACENTRE, interval=1.0)
    (sample, *_) = seen.samples
    assert [name for name in DeviceSample.__slots__ if getattr(sample, name) is None] == ["bus_busy"]
    assert (sample.power, sample.power_limit, sample.temperature, sample.memory_temperature) == (512.5, 700, 61, 78)
    assert (sample.sm_clock, sample.memory_clock, sample.throttle) == (1.755e9, 2.619e9, 4)
    assert (sample.pcie_generation, sample.pcie_width, sample.pcie_replays) == (5, 16, 0)
    assert (sample.ecc_corrected, sample.ecc_uncorrected, sample.xids) == (0, 0, ())
    state = seen.states[0]
    assert [name for name in CardState.__slots__ if getattr(state, name) is None] == []
    assert (state.model, state.address, state.driver) == ("Stub H100", "0000:17:00.0", "580.65.06")
    assert (state.pcie_generation_max, state.pcie_width_max, state.nvlinks) == (5, 16, 18)
    assert (state.ecc_on, state.ecc_corrected, state.retired_pages, state.remapped_rows) == (True, 3, 2, 1)
    assert (state.remap_pending, state.mig, state.mps, state.clocks_locked) == (True, False, False, False)
    assert state.compute_mode == "exclusive process"
    assert state.processes == (
        CardProcess(pid=17, name="Xorg", ours=False, memory=1024, graphics=True),
        CardProcess(pid=4242, name="/usr/bin/prover", ours=False, memory=2**30),
    )
    assert seen.lacks == ()


def test_what_a_consumer_card_lacks_is_none_with_its_reason(play: Play) -> None:
    """Never 0, never a crash, and each once however many samples there are."""
    seen = play(CONSUMER, count=50, interval=1.0)
    sample = seen.samples[-1]
    missing = ("ecc_corrected", "memory_temperature", "violation_power", "nvlink_sent", "xids")
    assert [getattr(sample, name) for name in missing] == [None] * len(missing)
    assert (sample.busy, sample.pcie_replays) == (0.97, 0)
    reasons = seen.reasons()
    assert set(missing) <= set(reasons)
    assert set(reasons.values()) == {"Not Supported"}
    assert len(seen.lacks) == len(reasons)
    state = seen.states[0]
    assert (state.ecc_on, state.mig, state.retired_pages, state.nvlinks, state.processes) == (
        None,
        None,
        None,
        None,
        (),
    )


def test_without_byte_counters_the_bus_is_looked_at_for_twenty_milliseconds(play: Play) -> None:
    """Where samples are a second apart; ten times as often there would be no time for it."""
    seen = play(CONSUMER, interval=1.0)
    assert (seen.mean("sent"), seen.mean("received")) == (1e6 * 1024, 2e6 * 1024)
    assert {sample.sent for sample in play(CONSUMER, interval=0.1).samples} == {None}


def test_an_old_driver_is_asked_by_the_old_names(play: Play) -> None:
    seen = play(DATACENTRE.replace("580.65.06", "470.57.02"), driver="old")
    (sample, *_) = seen.samples
    assert (sample.throttle, sample.temperature, sample.memory_used) == (4, 61, 34359738368)
    assert seen.states[0].remapped_rows is None
    assert seen.reasons() == {"remapped_rows": "Function Not Found"}


@pytest.mark.parametrize(("rate", "interval"), [(2.4e8, 0.1), (1e3, 1.0)])
def test_a_counter_of_32_bits_may_go_round_once(play: Play, rate: float, interval: float) -> None:
    """On a lane of the fifth generation, which carries less than 2^32 bytes in an interval."""
    script = without(DATACENTRE, "pcie_sent", "pcie_width")
    script += f"is pcie_width 1\ngrow pcie_sent 4294967000 {rate} 32\n"
    seen = play(script, interval=interval)
    assert [sample.sent for sample in seen.samples] == pytest.approx([rate] * 5, rel=0.01)


def test_a_counter_that_may_have_gone_round_twice_is_not_believed(play: Play) -> None:
    """Sixteen lanes of the fifth generation carry 63 GB in a second, fifteen times round 32 bits.

    Though the link was asleep, in its first generation, when it was asked: within the second it has woken up.
    """
    script = (
        without(DATACENTRE, "pcie_sent", "pcie_received", "pcie_generation")
        + "is pcie_generation 1\ngrow pcie_sent 0 3e9 32\ngrow pcie_received 0 3e9 32\n"
    )
    assert {sample.sent for sample in play(script, interval=1.0).samples} == {None}


def test_a_call_that_fails_in_mid_run_is_noted_once_and_asked_again(play: Play) -> None:
    """From the second to the fourth sample there is no power, and after that there is."""
    seen = play(DATACENTRE + "fail nvmlDeviceGetPowerUsage 999 0.15 0.45\n", count=8)
    power = [sample.power is None for sample in seen.samples]
    assert power == [False, True, True, True, False, False, False, False]
    assert seen.reasons() == {"power": "Unknown Error"}
    assert len(seen.lacks) == 1
    assert all(sample.busy is not None for sample in seen.samples)


def test_a_call_that_is_not_supported_any_more_is_not_made_again(play: Play) -> None:
    """Neither the new function, which fails for one tick, nor the old one, which fails for good."""
    failing = "fail nvmlDeviceGetTemperatureV 3 1.5 2.5\nfail nvmlDeviceGetTemperature 3 1.5 90\n"
    seen = play(DATACENTRE + failing, interval=1.0)
    assert [sample.temperature for sample in seen.samples] == [61, None, None, None, None]
    assert seen.reasons() == {"temperature": "Not Supported"}


def test_one_field_value_may_fail_alone(play: Play) -> None:
    """The others of its call are there all the same."""
    seen = play(DATACENTRE + "fail memory_temperature 999 1.5 2.5\n", interval=1.0)
    assert [sample.memory_temperature for sample in seen.samples] == [78, None, 78, 78, 78]
    assert {sample.ecc_corrected for sample in seen.samples} == {0}


def test_what_changes_slowly_is_asked_once_a_second(play: Play) -> None:
    """Ten times a second a state stands as it was seen last, and what is counted is told where it was counted."""
    seen = play(DATACENTRE + "is ecc_corrected 3\nfail memory_temperature 999 1.5 2.5\n", count=21)
    assert [sample.memory_temperature for sample in seen.samples] == [78] * 19 + [None] * 2
    assert [at for at, sample in enumerate(seen.samples, 1) if sample.ecc_corrected is not None] == [10, 20]
    assert all(sample.received is not None for sample in seen.samples)


def test_a_lost_card_is_told_once_and_the_others_go_on(play: Play) -> None:
    """It falls off the bus after the second sample, perhaps while it is asked; then nothing is asked of it any more."""
    seen = play(DATACENTRE + "lost 0.25\n" + CONSUMER)
    assert [sample.device for sample in seen.samples].count("gpu0") == 2
    assert [sample.busy for sample in seen.samples if sample.device == "gpu1"] == [0.97] * 5
    assert seen.reasons()["*"] == "GPU is lost"
    assert [lack.field for lack in seen.lacks if lack.device == "gpu0"] == ["*"]
    assert [state.lost for state in seen.states] == [False, False, True, False]


def test_a_card_that_is_lost_from_the_beginning_is_no_crash(play: Play) -> None:
    seen = play(DATACENTRE + "lost 0\n" + CONSUMER)
    assert {sample.device for sample in seen.samples} == {"gpu1"}
    assert seen.states[0] == CardState(host="box", device="gpu0", time=1000.0, lost=True)


def test_errors_of_the_driver_are_heard_in_their_interval(play: Play) -> None:
    """Xid 79 and 48 between the second and the third sample, 13 on the other card; a card that cannot tell is None."""
    other = DATACENTRE.replace("0000:17", "0000:65") + "xid 13 0.35\n"
    seen = play(DATACENTRE + "xid 79 0.25\nxid 48 0.26\n" + other + CONSUMER)
    by_card = {
        name: [sample.xids for sample in seen.samples if sample.device == name] for name in ("gpu0", "gpu1", "gpu2")
    }
    assert by_card["gpu0"] == [(), (), (79, 48), (), ()]
    assert by_card["gpu1"] == [(), (), (), (13,), ()]
    assert by_card["gpu2"] == [None] * 5


def test_memory_errors_are_counted_by_interval(play: Play) -> None:
    script = without(DATACENTRE, "ecc_uncorrected") + "grow ecc_uncorrected 5 10 64\n"
    assert [sample.ecc_uncorrected for sample in play(script, interval=1.0).samples] == [10] * 5


def test_mig_mps_and_locked_clocks_are_seen(play: Play) -> None:
    script = without(DATACENTRE, "mig", "app_clock", "throttle") + "is mig 1\nis app_clock 1200\nis throttle 0\n"
    state = play(script + "process 9 5 mps nvidia-cuda-mps-server\n").states[0]
    assert (state.mig, state.mps, state.clocks_locked) == (True, True, True)


@pytest.mark.parametrize(("script", "reason"), [("init 9\n", "Driver Not Loaded"), ("init 18\n", "RM has detected")])
def test_a_driver_that_does_not_work_is_a_reason(play: Play, script: str, reason: str) -> None:
    """No GPUs, and why; the host is sampled all the same."""
    seen = play(script)
    assert (seen.samples, seen.states) == ((), ())
    (lack,) = seen.lacks
    assert (lack.device, lack.field) == (None, "gpus")
    assert lack.reason.startswith(reason)
