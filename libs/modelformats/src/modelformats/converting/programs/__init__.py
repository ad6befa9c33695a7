"""Programs that convert or run one model, each in the environment of its toolchain.

Nothing here imports anything of Klever: a toolchain holds only its framework. They are run as
`python -m programs.<name> <request as JSON>` (see `program.py`).
"""
