"""The `ormb` command."""
