"""The `klever` command."""
