"""PURE. Which trials count, and what they say as they stand: the gate, arms, the worker-time identity, task graphs."""
