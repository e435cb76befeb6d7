"""PURE. What would happen: layouts that nobody measured, replayed by the twin under laws that bound the truth."""
