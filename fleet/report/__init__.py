"""Say it: one Report value, rendered for a terminal, as Markdown and as JSON. Pure; the screen is fleet/ui's."""
