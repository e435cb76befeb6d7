"""PURE. What is asked of a host before it is trusted with a trial, how its answers are read, what they mean."""
