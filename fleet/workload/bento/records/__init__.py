"""The records that a Bento cluster keeps of its jobs, read from either stack's task database."""
