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


def referenced_blobs(index: bytes, manifest: Callable[[str], bytes]) -> set[str]:
    """Return the digests of all manifests of an index.json, and of their configs and layers.

    Layers with `urls` are not included, because they may be stored elsewhere. Manifests that an image index lists are
    entries of index.json themselves, if the repository has them.

    Args:
        index: the index.json.
        manifest: returns the content of a manifest; it may raise any error.

    Raises:
        BackupError: the index or a manifest is invalid.
    """
    digests: set[str] = set()
    for entry in manifest_entries(index):
        if entry.digest not in digests:
            digests |= {entry.digest, *_parts(manifest(entry.digest), entry)}
    return digests


def _parts(content: bytes, entry: ManifestEntry) -> list[str]:
    if entry.media_type in INDEXES:
        return []
    try:
        document = load_json(content, most_bytes=MANIFEST_LIMIT)
        layers = [layer for layer in document["layers"] if not layer.get("urls")]
        return [_digest(part) for part in (document["config"], *layers)]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupError(f"the manifest {entry.digest} cannot be read: {error}") from error


def _entry(descriptor: dict[str, Any]) -> ManifestEntry:
    tag = (descriptor.get("annotations") or {}).get(REF_NAME)
    if tag is not None and not _TAG.fullmatch(str(tag)):
        raise ValueError(f"{tag!r} is not a tag")
    return ManifestEntry(_digest(descriptor), str(descriptor["mediaType"]), tag)


def _digest(descriptor: dict[str, Any]) -> str:
    digest = str(descriptor["digest"])
    if not is_digest(digest):
        raise ValueError(f"{digest!r} is not a digest")
    return digest
