"""Selects, recognises and reads the files of models without their frameworks, and lists the servers for each format.

Shared by parsers, model servers and conversion programs. It runs in every toolchain: it needs the standard library,
NumPy for `unpickling`, and protobuf for `protobuf.messages`.
"""
