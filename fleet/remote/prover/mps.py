"""Whether agents of a card run side by side, by NVIDIA's MPS daemon on their host, or take turns."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from fleet.errors import ConfigurationError

_PIPE = "CUDA_MPS_PIPE_DIRECTORY"
_NOWHERE = os.devnull
"""No daemon has its pipe there: CUDA then goes on without (nvidia-cuda-mps-control(1))."""


def mps_pipe() -> Path | None:
    """The folder of the MPS daemon that CUDA will go through; None = the card directly.

    ConfigurationError where one is asked for (CUDA_MPS_PIPE_DIRECTORY) and no daemon has its pipe there: CUDA would go
    past it in silence, and agents would take turns that were meant to run side by side.
    """
    named = os.environ.get(_PIPE)
    if named == _NOWHERE:
        return None
    folder = Path(named or "/tmp/nvidia-mps")  # noqa: S108 (where CUDA itself looks)
    try:
        if stat.S_ISFIFO((folder / "control").stat().st_mode):
            return folder
    except OSError:
        pass
    if named:
        hint = "start nvidia-cuda-mps-control with the same CUDA_MPS_PIPE_DIRECTORY, or unset it"
        raise ConfigurationError(f"CUDA_MPS_PIPE_DIRECTORY={named}: no MPS daemon has its pipe there", hint=hint)
    return None


def choose_mps(who: str, *, wanted: bool | None) -> None:
    """Have this process go through MPS or past it, before CUDA is first used; None = as CUDA finds it.

    ConfigurationError where it is wanted and no daemon is there.
    """
    if wanted is False:
        os.environ[_PIPE] = _NOWHERE
    if not wanted:
        return
    folder = mps_pipe()
    if folder is None:
        hint = "start nvidia-cuda-mps-control -d on the host, or take `mps` from the device in the inventory"
        raise ConfigurationError(f"{who}: `mps` is asked for, and no MPS daemon runs there", hint=hint)
    os.environ[_PIPE] = str(folder)
