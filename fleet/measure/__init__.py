"""SHELL. The experiment loop: propose, run, store, until nothing is left to learn."""
