"""The built-in Open Inference Protocol (V2) model server."""

__version__ = "0.1.0"
"""Kept here, since inside a toolchain the package is a folder on the path, with nothing installed that says it."""
