"""A Bento cluster of the legacy stack on this machine: real Docker Engine, Compose and PostgreSQL, emulated cards.

Its programs stand in for Bento's: they claim and finish tasks through the same kind of SQL and prove with fleet's own
synthetic kernel. Nothing that is measured on it is anything but emulated.
"""
