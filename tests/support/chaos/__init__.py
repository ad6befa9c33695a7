"""Random faults against a whole platform under load, and an independent account of what has to be true afterwards."""
