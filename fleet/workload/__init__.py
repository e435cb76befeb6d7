"""SHELL, PLUG-IN. What is measured."""
