"""Reads index.json and the manifests of an OCI image layout; pure (image-spec 1.1)."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kleverproto.references import TAG_PATTERN, is_digest
from modelformats.bounded_json import load_json
from ormb.mediatypes import DOCKER_INDEX, OCI_INDEX, REF_NAME

from .errors import BackupError

SUBJECT = "dev.klever.registry.subject"
"""Annotation of a descriptor in the embedded registry's index.json: the subject of the manifest."""
INDEX_LIMIT = MANIFEST_LIMIT = 64 * 1024 * 1024
"""Maximum sizes in bytes; a registry can be configured to accept larger manifests than the default."""
BLOB = "application/octet-stream"
"""Media type of blobs in transfers, which do not depend on it."""
INDEXES = frozenset({OCI_INDEX, DOCKER_INDEX})
_TAG = re.compile(TAG_PATTERN)


@dataclass(frozen=True)
class ManifestEntry:
    """An entry of an index.json: a manifest, and the tag that names it, if any."""

    digest: str
    media_type: str
    tag: str | None


def manifest_entries(index: bytes) -> list[ManifestEntry]:
    """Return the entries of an index.json. Raises BackupError."""
    try:
        return [_entry(descriptor) for descriptor in load_json(index, most_bytes=INDEX_LIMIT)["manifests"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupError(f"an index.json cannot be read: {error}") from error


def referenced_blobs(index: bytes, manifest: Callable[[str], bytes]) -> dict[str, int]:
    """Return the digests of all manifests of an index.json, and of their configs and layers, with their sizes.

    Layers with `urls` are not included, because they may be stored elsewhere. Manifests that an image index lists are
    entries of index.json themselves, if the repository has them.

    Args:
        index: the index.json.
        manifest: returns the content of a manifest; it may raise any error.

    Raises:
        BackupError: the index or a manifest is invalid.
    """
    sizes: dict[str, int] = {}
    for entry in manifest_entries(index):
        if entry.digest not in sizes:
            content = manifest(entry.digest)
            sizes |= _parts(content, entry) | {entry.digest: len(content)}
    return sizes


def _parts(content: bytes, entry: ManifestEntry) -> dict[str, int]:
    """Return the digests of a manifest's config and layers, with the sizes that it gives them; 0 if it gives none."""
    if entry.media_type in INDEXES:
        return {}
    try:
        document = load_json(content, most_bytes=MANIFEST_LIMIT)
        layers = [layer for layer in document["layers"] if not layer.get("urls")]
        return {digest_of(part): _size(part) for part in (document["config"], *layers)}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupError(f"the manifest {entry.digest} cannot be read: {error}") from error


def _entry(descriptor: dict[str, Any]) -> ManifestEntry:
    tag = (descriptor.get("annotations") or {}).get(REF_NAME)
    if tag is not None and not _TAG.fullmatch(str(tag)):
        raise ValueError(f"{tag!r} is not a tag")
    return ManifestEntry(digest_of(descriptor), str(descriptor["mediaType"]), tag)


def _size(descriptor: dict[str, Any]) -> int:
    size = descriptor.get("size")
    return size if isinstance(size, int) else 0


def digest_of(descriptor: dict[str, Any]) -> str:
    """Return the digest of a descriptor. Raises KeyError, TypeError, ValueError."""
    digest = str(descriptor["digest"])
    if not is_digest(digest):
        raise ValueError(f"{digest!r} is not a digest")
    return digest
