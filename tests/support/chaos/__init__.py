"""Random faults against a whole platform under load, and an independent account of the required final state."""
