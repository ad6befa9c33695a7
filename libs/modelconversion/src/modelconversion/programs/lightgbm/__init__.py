"""Programs for LightGBM models."""
