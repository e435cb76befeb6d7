"""PURE. What to do: the options, the rules that choose among them, why, what would flip it, what to measure next."""
