"""Device memory: the prior, and the error of an agent that does not get it."""

from __future__ import annotations

import copy

import pytest

from fleet.remote.prover.memory import OutOfMemory, required_memory


@pytest.mark.parametrize(("po2", "low", "high"), [(20, 9, 10), (21, 17, 18), (22, 32, 34)])
def test_the_prior_gives_the_vendor_s_figures(po2: int, low: int, high: int) -> None:
    """9–10, 17–18 and 32–34 GB at po2 20, 21 and 22."""
    assert low <= required_memory(po2) / 1e9 <= high


def test_agents_add_up() -> None:
    """Each agent on a device holds its own."""
    assert required_memory(19, agents=2) == 2 * required_memory(19) == 2 * 5_350_000_000


def test_the_message_is_what_a_real_agent_logs() -> None:
    """Whoever greps an agent's log finds the emulated error like the real one, in a copy as pickle makes it too."""
    error = copy.copy(OutOfMemory("gpu0: 9 GiB wanted, 1 GiB free"))
    assert isinstance(error, MemoryError)
    assert str(error) == ("called `Result::unwrap()` on an `Err` value: OutOfMemory (gpu0: 9 GiB wanted, 1 GiB free)")
    assert str(OutOfMemory()) == "called `Result::unwrap()` on an `Err` value: OutOfMemory"
