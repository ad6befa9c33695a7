"""Programs that convert or run one model, each in the environment of its toolchain, with a package for each family.

A toolchain contains only its framework; of Klever, programs import only `modelfiles` and each other. They are run as
`python -m programs.<family>.<name> <request as JSON>` (see `program.py`).
"""
