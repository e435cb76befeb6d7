"""One shell program to a host and its answers back: `fleet.transport.exchange`, which workloads use, too."""

from __future__ import annotations

from fleet.transport.exchange import SHELL, exchange, fresh_nonce

__all__ = ["SHELL", "exchange", "fresh_nonce"]
