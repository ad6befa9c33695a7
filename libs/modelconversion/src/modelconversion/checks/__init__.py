"""Checks of conversions: source and result run on the same samples, and their outputs are compared."""
