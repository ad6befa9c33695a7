"""Places where a platform serves: this machine, or a cluster. The same documents and commands work on both."""
