"""Decisions without I/O: names, ranges, manifests, the index of a repository, the catalogue."""
