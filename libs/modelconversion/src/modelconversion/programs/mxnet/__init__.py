"""Programs for MXNet models."""
