"""PURE. The outputs for programs: JSON objects, each with its schema beside it."""
