"""Text to model and back: the only home of pydantic and yaml. Whatever enters fleet is validated here, at the door."""

from fleet.codec.text import Malformed, dump, dump_line, load, load_line

__all__ = ["Malformed", "dump", "dump_line", "load", "load_line"]
