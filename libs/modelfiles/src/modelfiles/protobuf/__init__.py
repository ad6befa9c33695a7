"""Reads protobuf files with schemas declared as tables, so that no framework is needed for its schema."""
