"""The public door: REST, live events, console."""
