"""`ormb-storage-initializer`: a model from a registry, laid out as a model server wants it; for init containers."""
