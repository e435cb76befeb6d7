"""SHELL. Programs and files on hosts, by SSH."""
