"""External registries, by the OCI distribution API."""

from .connection import RemoteConnection
from .manifests import RemoteManifests
from .signatures import RemoteSignatures

__all__ = ["RemoteConnection", "RemoteManifests", "RemoteSignatures"]
