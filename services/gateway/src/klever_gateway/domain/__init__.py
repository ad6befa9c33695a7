"""Decisions and values; no I/O."""
