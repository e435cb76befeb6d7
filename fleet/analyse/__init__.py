"""PURE. What did it mean? From a run log to estimates, options and one verdict. Never touches the world."""
