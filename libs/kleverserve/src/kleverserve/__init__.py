"""The built-in Open Inference Protocol (V2) model server."""

__version__ = "0.1.0"
"""Defined here, because a toolchain puts the package on the path as a directory, without installed metadata."""
