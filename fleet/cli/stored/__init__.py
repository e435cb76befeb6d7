"""The commands over kept runs, which touch no host."""
