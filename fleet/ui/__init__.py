"""SHELL. What the operator sees; the only home of rich."""
