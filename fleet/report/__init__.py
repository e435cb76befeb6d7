"""PURE. Say it: one Report value and its renderings."""
