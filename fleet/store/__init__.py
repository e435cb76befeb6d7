"""SHELL, PLUG-IN. Where runs are kept."""
