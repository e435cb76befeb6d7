"""Bento's two stacks: what an existing cluster's task database says of its past jobs. Reads; never writes."""
