"""How the engine's functions are compiled. Importing this module needs numba."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

_F = TypeVar("_F", bound=Callable[..., object])

_compile: Any = njit
"""Without its types, which leave out `_nrt`: references need not be counted where nothing is allocated."""


def entry(function: _F) -> _F:
    """Compiled, kept on disk, callable from Python and without its lock; to the type checker nothing changes.

    It is kept beside the module or in the user's own cache folder; where neither can be written, it is compiled again
    in every process.
    """
    options = {"nogil": True, "error_model": "numpy", "_nrt": False}
    try:
        return cast("_F", _compile(cache=True, **options)(function))
    except RuntimeError:  # Numba's "no locator available".
        return cast("_F", _compile(**options)(function))


def part(function: _F) -> _F:
    """Compiled into whatever compiled function calls it; as it gets no way in from Python, Python must not call it."""
    options = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "_nrt": False}
    return cast("_F", _compile(forceinline=True, error_model="numpy", **options)(function))


def _count_trailing_zeros(_typing: Any, word: Any) -> tuple[Any, Callable[..., Any]]:
    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], context.get_constant(types.boolean, 1))

    return types.uint64(word), generate


lowest_bit = cast("Callable[[np.uint64], np.uint64]", intrinsic(_count_trailing_zeros))
"""The number of the lowest bit set, one machine instruction."""
