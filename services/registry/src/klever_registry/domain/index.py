"""The manifests and tags of one repository, as the index.json of an OCI image layout holds them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from .manifests import Manifest
from .media_types import OCI_INDEX, REF_NAME, SUBJECT


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

    def resolve(self, reference: str) -> str | None:
        """The digest that a tag or digest names here."""
        return reference if reference in self.manifests else self.tags.get(reference)

    def with_manifest(self, manifest: Manifest, tag: str | None) -> "RepositoryIndex":
        """A manifest is there, and perhaps a tag names it."""
        entry = Entry(manifest.media_type, len(manifest.content), manifest.subject)
        tags = self.tags if tag is None else {**self.tags, tag: manifest.digest}
        return RepositoryIndex({**self.manifests, manifest.digest: entry}, tags)

    def without_tag(self, tag: str) -> "RepositoryIndex":
        """A tag is gone; its manifest stays."""
        return replace(self, tags={name: digest for name, digest in self.tags.items() if name != tag})

    def without_manifest(self, digest: str) -> "RepositoryIndex":
        """A manifest is gone, with its tags."""
        return RepositoryIndex(
            {known: entry for known, entry in self.manifests.items() if known != digest},
            {tag: named for tag, named in self.tags.items() if named != digest},
        )

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
    return json.dumps(
        {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": descriptors}, separators=(",", ":")
    ).encode()


def load(content: bytes) -> RepositoryIndex:
    """Read an index.json. Raises ValueError, KeyError where it is none."""
    manifests: dict[str, Entry] = {}
    tags: dict[str, str] = {}
    for descriptor in json.loads(content)["manifests"]:
        annotations = descriptor.get("annotations") or {}
        digest = descriptor["digest"]
        manifests[digest] = Entry(descriptor["mediaType"], descriptor["size"], annotations.get(SUBJECT))
        if REF_NAME in annotations:
            tags[annotations[REF_NAME]] = digest
    return RepositoryIndex(manifests, tags)


def _descriptor(digest: str, entry: Entry, tag: str | None) -> dict[str, Any]:
    annotations = dict(_annotations(entry, tag))
    descriptor = {"mediaType": entry.media_type, "digest": digest, "size": entry.size}
    return {**descriptor, "annotations": annotations} if annotations else descriptor


def _annotations(entry: Entry, tag: str | None) -> Iterator[tuple[str, str]]:
    if tag is not None:
        yield REF_NAME, tag
    if entry.subject is not None:
        yield SUBJECT, entry.subject
