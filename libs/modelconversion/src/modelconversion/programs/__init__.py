"""Programs that convert or run one model, each in the environment of its toolchain; a package for each family.

A toolchain holds its framework only, and of Klever they import `modelfiles` and each other. They are run as
`python -m programs.<family>.<name> <request as JSON>` (see `program.py`).
"""
