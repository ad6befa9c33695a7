"""Which blobs nothing needs any more. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from .index import RepositoryIndex
from .manifests import Manifest


def needed(index: RepositoryIndex, manifests: Iterable[Manifest]) -> frozenset[str]:
    """Digests that a repository must keep: its manifests and all that they name, tagged or not."""
    parts = (digest for manifest in manifests for digest in (*manifest.blobs, *manifest.foreign))
    return frozenset((*index.manifests, *parts))


def unneeded(used: Mapping[str, datetime], keep: frozenset[str], *, before: datetime) -> list[str]:
    """Digests that may go, sorted: no manifest names them, and no client has used them lately.

    Args:
        used: every blob of the repository with its last use.
        keep: what its manifests need.
        before: a push that is under way has used its blobs after this.
    """
    return sorted(digest for digest, last in used.items() if digest not in keep and last < before)
