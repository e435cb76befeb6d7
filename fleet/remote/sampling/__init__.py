"""A host's telemetry at its source: the kernel's files, NVML, and the spool they are written to."""
