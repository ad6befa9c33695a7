"""The manifests and tags of one repository, as the index.json of an OCI image layout holds them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from .manifests import Manifest
from .media_types import DELETED_TAGS, OCI_INDEX, REF_NAME, SUBJECT

DELETED_LIMIT = 1000
"""Deleted tags that a repository remembers; the oldest are forgotten first."""


@dataclass(frozen=True)
class Entry:
    """What the index keeps of a manifest."""

    media_type: str
    size: int
    subject: str | None = None


@dataclass(frozen=True)
class RepositoryIndex:
    """Immutable: every change gives a new one."""

    manifests: dict[str, Entry] = field(default_factory=dict)
    """By digest, oldest first."""
    tags: dict[str, str] = field(default_factory=dict)
    """Tag to digest."""
    deleted: tuple[str, ...] = ()
    """Tags that were deleted and not pushed since, oldest first: the proof that nobody lost them."""

    def resolve(self, reference: str) -> str | None:
        """The digest that a tag or digest names here."""
        return reference if reference in self.manifests else self.tags.get(reference)

    def with_manifest(self, manifest: Manifest, tag: str | None) -> "RepositoryIndex":
        """A manifest is there, and perhaps a tag names it."""
        entry = Entry(manifest.media_type, len(manifest.content), manifest.subject)
        manifests = {**self.manifests, manifest.digest: entry}
        if tag is None:
            return replace(self, manifests=manifests)
        deleted = tuple(name for name in self.deleted if name != tag)
        return RepositoryIndex(manifests, {**self.tags, tag: manifest.digest}, deleted)

    def without_tag(self, tag: str) -> "RepositoryIndex":
        """A tag is gone; its manifest stays."""
        return self._without({tag} & set(self.tags))

    def without_manifest(self, digest: str) -> "RepositoryIndex":
        """A manifest is gone, with its tags."""
        manifests = {known: entry for known, entry in self.manifests.items() if known != digest}
        return replace(self._without(set(self.tags_of(digest))), manifests=manifests)

    def without_version(self, tag: str) -> "RepositoryIndex":
        """A tag is gone, and its manifest with what refers to it, unless another tag or an image index may name it."""
        digest, rest = self.tags.get(tag), self.without_tag(tag)
        has_image_index = any(entry.media_type == OCI_INDEX for entry in self.manifests.values())
        if digest is None or digest in rest.tags.values() or has_image_index:
            return rest
        gone, left = {digest}, [digest]
        while left:
            left = [each for each in rest.referrers(left.pop()) if each not in rest.tags.values()] + left
            gone.update(left)
        return replace(rest, manifests={known: entry for known, entry in rest.manifests.items() if known not in gone})

    def _without(self, tags: set[str]) -> "RepositoryIndex":
        left = {tag: digest for tag, digest in self.tags.items() if tag not in tags}
        return replace(self, tags=left, deleted=(*self.deleted, *sorted(tags))[-DELETED_LIMIT:])

    def tags_of(self, digest: str) -> list[str]:
        """The tags that name a manifest, sorted."""
        return sorted(tag for tag, named in self.tags.items() if named == digest)

    def referrers(self, subject: str) -> list[str]:
        """Digests of the manifests that refer to another, oldest first."""
        return [digest for digest, entry in self.manifests.items() if entry.subject == subject]


def dump(index: RepositoryIndex) -> bytes:
    """The index.json: one descriptor per tag, and one for each manifest without a tag."""
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
    """Read an index.json. Raises ValueError, KeyError, TypeError, AttributeError where it is none."""
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
