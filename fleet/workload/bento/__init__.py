"""A Bento cluster of either stack: found, had to oneself, set up, measured, put back; and the jobs of its past."""
