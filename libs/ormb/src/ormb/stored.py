"""Entries of the local store."""

from dataclasses import dataclass

from .manifest import ModelManifest
from .reference import Reference


@dataclass(frozen=True)
class StoredModel:
    """A model in the local store."""

    reference: Reference
    manifest: ModelManifest
    saved_at: float
    """Seconds since 1970."""
