"""What runs on the Ray cluster: nodes, the driver and its trials, agents, the executor."""
