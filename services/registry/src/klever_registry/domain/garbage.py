"""Selection of unused blobs for garbage collection. Pure functions."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from .index import RepositoryIndex
from .manifests import Manifest


def referenced_digests(index: RepositoryIndex, manifests: Iterable[Manifest]) -> frozenset[str]:
    """Return the digests that a repository must keep: all manifests, tagged or not, and their blobs."""
    parts = (digest for manifest in manifests for digest in (*manifest.blobs, *manifest.foreign))
    return frozenset((*index.manifests, *parts))


def unused_digests(used: Mapping[str, datetime], keep: frozenset[str], *, before: datetime) -> list[str]:
    """Return the digests to remove, sorted: no manifest names them, and no client has used them recently.

    Args:
        used: time of the last use of every blob of the repository.
        keep: digests that its manifests need.
        before: time that the last use must precede. A push in progress has used its blobs later.
    """
    return sorted(digest for digest, last in used.items() if digest not in keep and last < before)
