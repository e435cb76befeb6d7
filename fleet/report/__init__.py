"""PURE. Say it: on a terminal, as Markdown, JSON and HTML, and for other tools. The screen itself is fleet/ui's."""
