"""PURE. What is measured next, and why: layouts, arms, the decider of experiments, a job's task graph."""
