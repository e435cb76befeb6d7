"""What a store says when it refuses: one line, by which a command ends with the store's exit code."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fleet.errors import StoreError


def refusal(work: Callable[[], object]) -> str:
    """The one line that a store says about what it cannot do."""
    with pytest.raises(StoreError) as caught:
        work()
    assert len(str(caught.value).splitlines()) == 1
    assert caught.value.exit_code == 6
    return str(caught.value)
