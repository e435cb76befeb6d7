"""PURE. A run for other tools: flat tables, Prometheus, OTLP, SuperBench, and a Grafana dashboard over the store."""
