"""A complete platform on one machine."""
