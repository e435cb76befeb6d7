"""SHELL. Hosts made on this machine, to try fleet without hardware."""
