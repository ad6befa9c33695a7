"""Loading pickles by an allowlist: the same machine reads a pickle for a scan and loads it in a model server.

Two parsers never agree on every byte, and each difference is a way in. Here `reading` and `loading` are one parser
(`machine`) with one set of rules (`rules`) and one list of classes and functions (`allowlist`); they differ only in
what they put in place of an object: `reading` a stand-in, `loading` the object itself.

Needs NumPy and the standard library, so that it runs in every toolchain.
"""
