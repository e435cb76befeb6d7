"""fleet: retune, add a GPU, or add a remote worker? An answer with evidence for a fleet of GPU hosts."""

__version__ = "0.1.0"
