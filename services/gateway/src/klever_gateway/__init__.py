"""The public API: REST, live events, console."""
