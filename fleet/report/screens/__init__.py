"""PURE. What people read, as styled lines: one module a screen, or a part of the verdict's."""
