"""A Bento cluster on this machine, of either stack: real Docker Engine, Compose and database, emulated cards.

Its programs stand in for Bento's: they claim and finish tasks through the same kind of SQL, or through the same hashes,
queues and routes, and prove with fleet's own synthetic kernel. Nothing that is measured on it is anything but emulated.
"""
