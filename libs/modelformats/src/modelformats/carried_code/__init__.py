"""Code in formats by design: code that loaders run, and files that they read or write, because a file declares them.

Pickles are handled by `scanning`. Detection depends on the name of a file only if its loader does as well.
"""
