"""Hosts that declare cards are asked; what keeps one from answering is said of it, with the cure."""

from __future__ import annotations

import io

import pytest

from fleet.codec.text import load_line
from fleet.errors import ConfigurationError
from fleet.model.gpuhealth import HostFigures
from fleet.remote import gpuhealth
from fleet.remote.sampling.nvml import Library


def test_a_host_without_a_driver_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, with the cure, and no failure."""
    monkeypatch.setattr(gpuhealth, "open_library", lambda: "NVML Shared Library Not Found")
    written = io.StringIO()
    assert gpuhealth.main(["worker"], written.write) == 0
    assert load_line(HostFigures, written.getvalue()) == HostFigures(
        host="worker",
        problem="no card can be seen: NVML Shared Library Not Found",
        cure="install NVIDIA's driver there",
    )


def test_a_host_without_cupy_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cards that cannot be made to work are not sound cards."""

    class Empty:
        """NVML without cards."""

        cards = ()

        def close(self) -> None:
            """Nothing to close."""

    def absent(who: str) -> Library:
        raise ConfigurationError(f"{who}: CUDA cannot be used here: No module named 'cupy'", hint="install it")

    monkeypatch.setattr(gpuhealth, "open_library", Empty)
    monkeypatch.setattr(gpuhealth, "open_cupy", absent)
    found = gpuhealth.examine("worker")
    assert found == HostFigures(
        host="worker", problem="CUDA cannot be used here: No module named 'cupy'", cure="install it"
    )
