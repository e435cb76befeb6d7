"""PURE. What binds: what jobs are made of, how devices get in each other's way, and what is seen of each suspect."""
