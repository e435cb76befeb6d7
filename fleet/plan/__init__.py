"""PURE. What should happen: probes, steps, segments, task graph, layouts, experiments. Decides; never does."""
