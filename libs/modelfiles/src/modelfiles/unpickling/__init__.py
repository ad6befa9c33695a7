"""Loads pickles with an allowlist: the same machine reads a pickle for a scan and loads it in a model server.

Two parsers never agree on every byte, and each difference is a vulnerability. Here `reading` and `loading` use the same
parser (`machine`) with one set of rules (`rules`) and one list of classes and functions (`allowlist`). They differ only
in the objects that they create: `reading` creates stand-ins, `loading` the real objects.

Requires NumPy and the standard library, so that it runs in every toolchain.
"""
