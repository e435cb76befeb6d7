"""SHELL. Programs and files on hosts, by SSH."""

from __future__ import annotations

import sys
import threading
from importlib import import_module
from types import ModuleType
from typing import Any

_turn = threading.Lock()


class _Later(ModuleType):
    """Stands in for a module that is loaded when something of it is used, not when it is imported."""

    def __getattr__(self, name: str) -> Any:
        with _turn:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


# paramiko imports it for `Match exec` in an ssh_config; it takes as long to load as the rest of paramiko.
sys.modules.setdefault("invoke", _Later("invoke"))
