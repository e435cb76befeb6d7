"""PURE. A Bento deployment read from what Compose and the engine say of it, and what is to be changed there."""
