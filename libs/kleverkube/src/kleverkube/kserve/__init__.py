"""Versions as objects of KServe, and the objects by which KServe serves artifacts of a registry itself."""
