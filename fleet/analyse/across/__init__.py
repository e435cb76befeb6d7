"""PURE. Runs held against each other: like with like, differences with intervals, changes of level over time."""
