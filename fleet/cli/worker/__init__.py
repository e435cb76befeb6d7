"""The commands that add, list, drain and remove remote workers, and what each does step by step."""
