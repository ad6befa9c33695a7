"""`ormb-storage-initializer`: pulls a model into the directory layout of a model server; for init containers."""
