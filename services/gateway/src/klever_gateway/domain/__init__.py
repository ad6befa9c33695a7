"""Decisions and values, without I/O."""
