"""SHELL. From bare SSH to benchmark-ready: ask, change, look again."""
