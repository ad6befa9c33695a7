"""Implementations of the ports: the local disk, external registries, memory."""
