"""Errors of variants that cannot be rendered."""


class UnsupportedOnClusterError(ValueError):
    """The variant has a setting that Kubernetes objects cannot express, or no image serves its format."""
