"""Protobuf files by schemas that are declared as tables, so that no framework has to be installed for its own."""
