"""Turns pushes into events; the model catalogue; the embedded OCI registry."""
