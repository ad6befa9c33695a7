"""Programs for PMML models."""
