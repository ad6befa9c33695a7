"""What a long-running process imports before its first model, so that no model waits for it."""

from importlib import import_module

SLOW = ("modelfiles.protobuf.messages", "lxml.etree", "modelformats.scanned_files")
"""Imported by the formats on first use, since a short command mostly needs one of them or none."""


def preload() -> None:
    """Import what parsing needs: half a second once, instead of with the first model of each format."""
    for name in SLOW:
        import_module(name)
