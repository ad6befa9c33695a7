"""How the files of models are selected, recognised and read without their frameworks, and which servers take them.

Parsers, model servers and programs of conversions share it. It runs in every toolchain: it needs the standard library,
NumPy for `unpickling`, and protobuf for `protobuf.messages`.
"""
