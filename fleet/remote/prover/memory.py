"""How much device memory an agent needs, and the error of one that does not get it."""

from __future__ import annotations

_GB = 10**9
_FIXED = 1.3
_PER_2_20_CYCLES = 8.1
_OUT_OF_MEMORY = "called `Result::unwrap()` on an `Err` value: OutOfMemory"


class OutOfMemory(MemoryError):  # noqa: N818 (the name that agents log, and that operators search for)
    """The device has too little free memory; the message begins as the line that a real agent logs before it dies."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)

    def __str__(self) -> str:
        detail = str(self.args[0])
        return f"{_OUT_OF_MEMORY} ({detail})" if detail else _OUT_OF_MEMORY


def required_memory(po2: int, agents: int = 1) -> int:
    """Bytes that `agents` agents hold on one device for segments of 2^po2 cycles.

    M(po2) ≈ 1.3 + 8.1·2^(po2 − 20) GB each: a fit to the vendor's 9–10, 17–18 and 32–34 GB at po2 20, 21 and 22.
    """
    return agents * round((_FIXED + _PER_2_20_CYCLES * 2.0 ** (po2 - 20)) * _GB)
