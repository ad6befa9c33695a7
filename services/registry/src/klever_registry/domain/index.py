"""Manifests and tags of one repository, stored as the index.json of an OCI image layout."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from .manifests import Manifest
from .media_types import DELETED_TAGS, OCI_INDEX, REF_NAME, SUBJECT

DELETED_LIMIT = 1000
"""Number of deleted tags that a repository records. The oldest are removed first."""


@dataclass(frozen=True)
class Entry:
    """Entry of a manifest in the index."""

    media_type: str
    size: int
    subject: str | None = None


@dataclass(frozen=True)
class RepositoryIndex:
    """The index of a repository. It is immutable: every change returns a new one."""

    manifests: dict[str, Entry] = field(default_factory=dict)
    """Entries by digest, oldest first."""
    tags: dict[str, str] = field(default_factory=dict)
    """Digests by tag."""
    deleted: tuple[str, ...] = ()
    """Tags that were deleted and not pushed since, oldest first. They prove that these tags were not lost."""

    def resolve(self, reference: str) -> str | None:
        """Return the digest of a tag or digest, or None if the repository does not have it."""
        return reference if reference in self.manifests else self.tags.get(reference)

    def with_manifest(self, manifest: Manifest, tag: str | None) -> "RepositoryIndex":
        """Add a manifest, and set a tag if one is given."""
        entry = Entry(manifest.media_type, len(manifest.content), manifest.subject)
        manifests = {**self.manifests, manifest.digest: entry}
        if tag is None:
            return replace(self, manifests=manifests)
        deleted = tuple(name for name in self.deleted if name != tag)
        return RepositoryIndex(manifests, {**self.tags, tag: manifest.digest}, deleted)

    def without_tag(self, tag: str) -> "RepositoryIndex":
        """Remove a tag. Its manifest stays."""
        return self._without({tag} & set(self.tags))

    def without_manifest(self, digest: str) -> "RepositoryIndex":
        """Remove a manifest and its tags."""
        manifests = {known: entry for known, entry in self.manifests.items() if known != digest}
        return replace(self._without(set(self.tags_of(digest))), manifests=manifests)

    def without_version(self, tag: str) -> "RepositoryIndex":
        """Remove a tag, and its manifest with its referrers unless another tag or an image index may name it."""
        digest, rest = self.tags.get(tag), self.without_tag(tag)
        has_image_index = any(entry.media_type == OCI_INDEX for entry in self.manifests.values())
        if digest is None or digest in rest.tags.values() or has_image_index:
            return rest
        removed, pending = {digest}, [digest]
        while pending:
            pending = [each for each in rest.referrers(pending.pop()) if each not in rest.tags.values()] + pending
            removed.update(pending)
        kept = {known: entry for known, entry in rest.manifests.items() if known not in removed}
        return replace(rest, manifests=kept)

    def _without(self, tags: set[str]) -> "RepositoryIndex":
        remaining = {tag: digest for tag, digest in self.tags.items() if tag not in tags}
        return replace(self, tags=remaining, deleted=(*self.deleted, *sorted(tags))[-DELETED_LIMIT:])

    def tags_of(self, digest: str) -> list[str]:
        """Return the tags that name a manifest, sorted."""
        return sorted(tag for tag, named in self.tags.items() if named == digest)

    def referrers(self, subject: str) -> list[str]:
        """Return the digests of the manifests that refer to this one, oldest first."""
        return [digest for digest, entry in self.manifests.items() if entry.subject == subject]


def dump(index: RepositoryIndex) -> bytes:
    """Return the content of index.json: one descriptor per tag, and one for each manifest without a tag."""
    tags: dict[str, list[str | None]] = {digest: [] for digest in index.manifests}
    for tag in sorted(index.tags):
        tags[index.tags[tag]].append(tag)
    descriptors = [
        _descriptor(digest, index.manifests[digest], tag) for digest, named in tags.items() for tag in named or [None]
    ]
    document: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": descriptors}
    if index.deleted:
        document["annotations"] = {DELETED_TAGS: json.dumps(index.deleted)}
    return json.dumps(document, separators=(",", ":")).encode()


def load(content: bytes) -> RepositoryIndex:
    """Parse an index.json. Raises ValueError, KeyError, TypeError or AttributeError if it is invalid."""
    manifests: dict[str, Entry] = {}
    tags: dict[str, str] = {}
    document = json.loads(content)
    for descriptor in document["manifests"]:
        annotations = descriptor.get("annotations") or {}
        digest = descriptor["digest"]
        manifests[digest] = Entry(descriptor["mediaType"], descriptor["size"], annotations.get(SUBJECT))
        if REF_NAME in annotations:
            tags[annotations[REF_NAME]] = digest
    deleted = (document.get("annotations") or {}).get(DELETED_TAGS, "[]")
    return RepositoryIndex(manifests, tags, tuple(json.loads(deleted)))


def _descriptor(digest: str, entry: Entry, tag: str | None) -> dict[str, Any]:
    annotations = dict(_annotations(entry, tag))
    descriptor = {"mediaType": entry.media_type, "digest": digest, "size": entry.size}
    return {**descriptor, "annotations": annotations} if annotations else descriptor


def _annotations(entry: Entry, tag: str | None) -> Iterator[tuple[str, str]]:
    if tag is not None:
        yield REF_NAME, tag
    if entry.subject is not None:
        yield SUBJECT, entry.subject
