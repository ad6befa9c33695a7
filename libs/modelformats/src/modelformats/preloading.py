"""Imports of a long-running process before its first model, which then need not wait for them."""

from importlib import import_module

SLOW = ("modelfiles.protobuf.messages", "lxml.etree", "modelformats.scanned_files")
"""Modules that formats import on first use, since a short command needs at most one of them."""


def preload() -> None:
    """Import the modules for parsing: half a second once, instead of with the first model of each format."""
    for name in SLOW:
        import_module(name)
