"""How long a trial may take, and which samples are its own."""

from __future__ import annotations

from cluster_values import card, core, host, inventory, trial
from hypothesis import given
from hypothesis import strategies as st

from fleet.model.samples import HostSample
from fleet.workload.patience import FIXED, UNKNOWN, patience
from fleet.workload.telemetry import parse, within

HOSTS = (host("box", 0, [card("gpu0"), card("gpu1")]), host("far", 1, [core("cpu0")]))


def test_patience_is_three_times_what_one_device_would_need_alone() -> None:
    """9 segments of 2^20 cycles less the last: 33·2^18 cycles at 400 kHz, 500 B a cycle over 2 GB/s, 0.7 s a task."""
    cycles = 33 * 2**18
    alone = cycles / 4e5 + cycles * 500 / 2e9 + 9 * 0.7
    assert patience(trial("box/gpu0"), inventory(HOSTS)) == FIXED + 3 * alone / 25
    assert patience(trial("box/gpu0", jobs=3), inventory(HOSTS)) == FIXED + 3 * 3 * alone / 25


def test_more_devices_get_no_less_time() -> None:
    """A layout that is slower than its parts is a finding, not a hanging trial."""
    whole = inventory(HOSTS)
    assert patience(trial("box/gpu0", "box/gpu1"), whole) == patience(trial("box/gpu0"), whole)


def test_a_device_that_declares_no_speed_gets_a_quarter_of_an_hour() -> None:
    assert patience(trial("box/gpu0", "far/cpu0"), inventory(HOSTS, 1.0)) == UNKNOWN


def at(*times: float) -> tuple[HostSample, ...]:
    return tuple(HostSample(host="box", time=time) for time in times)


def test_samples_whose_interval_reaches_out_of_the_trial_are_left_out() -> None:
    """A share over an interval that began before the trial is half somebody else's."""
    assert within(at(9.5, 10.5, 11.0, 12.0, 13.0, 14.2), 10.0, 13.5, 1.0) == at(11.0, 12.0, 13.0)


def test_a_trial_shorter_than_an_interval_gets_the_samples_that_touch_it() -> None:
    assert within(at(9.5, 10.5, 11.0, 12.0), 10.0, 10.3, 1.0) == at(10.5, 11.0)


@given(st.binary(max_size=200), st.integers(0, 1000))
def test_whatever_a_host_wrote_is_read_without_an_error(data: bytes, offset: int) -> None:
    """Garbage gives nothing, and the next reading begins where this one ended."""
    found = parse(data, offset)
    assert found.lines == ()
    assert offset <= found.offset <= offset + len(data)
