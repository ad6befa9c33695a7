"""Pushes, pulls and deletions of manifests. OCI distribution-spec 1.1."""

import hashlib
from collections.abc import Collection, Sequence
from typing import Protocol

from klever_registry.domain import names
from klever_registry.domain.index import RepositoryIndex
from klever_registry.domain.manifests import Manifest, parse_manifest
from klever_registry.errors import (
    DigestInvalidError,
    InUseError,
    ManifestBlobUnknownError,
    ManifestUnknownError,
    NameUnknownError,
)
from klever_registry.ports import ManifestStore, Usage
from kleverproto.served import still_served
from modelformats.threads import in_thread

from .blobs import Blobs
from .referrers import Referrers


class Observer(Protocol):
    """Receives every change of a tag, after it is stored. Must not block."""

    def tagged(self, repository: str, tag: str, digest: str) -> None:
        """Handle a pushed tag."""
        ...

    def untagged(self, repository: str, tag: str) -> None:
        """Handle a deleted tag."""
        ...


class Distribution:
    """The use cases of the distribution API for manifests and tags.

    Args:
        blobs: the use cases for blobs and uploads.
        manifests: the stored manifests.
        observer: receives every change of a tag.
        usage: the served models, which cannot be deleted.
    """

    def __init__(self, *, blobs: Blobs, manifests: ManifestStore, observer: Observer, usage: Usage) -> None:
        self.blobs = blobs
        self.referrers = Referrers(manifests)
        self._manifests = manifests
        self._observer = observer
        self._usage = usage

    async def push(
        self, repository: str, reference: str, content: bytes, media_type: str | None, tags: Sequence[str] = ()
    ) -> Manifest:
        """Store a manifest with a tag or its digest, and with additional tags.

        Raises:
            DigestInvalidError: the digest does not match the content.
            ManifestInvalidError: the manifest or a tag is invalid.
            ManifestBlobUnknownError: the manifest refers to content that is not in the repository.
            QuotaExceededError: the quota of the project is used up.
        """
        tag = reference if names.is_tag(reference) else None
        digest = await in_thread(_digest, content, None if tag else reference)
        manifest = await in_thread(parse_manifest, content, digest, media_type)
        all_tags = [*([tag] if tag else []), *(names.tag(each) for each in tags)]
        async with self.blobs.deletion_lock(repository):
            await self._require_parts(repository, manifest)
            await self.blobs.admit(repository, len(content))
            for each in all_tags or (None,):
                await self._manifests.put(repository, manifest, each)
        for each in all_tags:
            self._observer.tagged(repository, each, manifest.digest)
        return manifest

    async def pull(self, repository: str, reference: str) -> Manifest:
        """Return the manifest of a tag or digest. Raises ManifestUnknownError, NameUnknownError."""
        names.is_tag(reference)
        manifest = await self._manifests.get(repository, reference)
        if manifest is None:
            await self._index(repository)
            raise _manifest_unknown(repository, reference)
        return manifest

    async def delete(self, repository: str, reference: str) -> None:
        """Remove a tag, or a manifest with its tags.

        Raises:
            ManifestUnknownError, NameUnknownError: the tag or manifest does not exist.
            InUseError: the version is served.
            UsageUnknownError: the served models are not known yet.
        """
        index = await self._index(repository)
        if index.resolve(reference) is None:
            raise _manifest_unknown(repository, reference)
        if names.is_tag(reference):
            self._require_unused(repository, [reference], None)
        else:
            self._require_unused(repository, index.tags_of(reference), reference)
        if names.is_tag(reference):
            deleted = [reference] if await self._manifests.delete_tag(repository, reference) else None
        else:
            deleted = await self._manifests.delete(repository, reference)
        if deleted is None:
            raise _manifest_unknown(repository, reference)
        for tag in deleted:
            self._observer.untagged(repository, tag)

    async def delete_version(self, repository: str, tag: str, digest: str) -> bool:
        """Remove a tag if it names this digest, and its manifest with referrers unless something else may name it.

        Returns False if the tag does not exist or names another digest.

        Raises:
            InUseError, UsageUnknownError: as `delete`.
        """
        index = await self._manifests.index(repository)
        if index is None or index.tags.get(tag) != digest:
            return False
        self._require_unused(repository, [tag], digest if index.tags_of(digest) == [tag] else None)
        is_deleted = await self._manifests.delete_version(repository, tag, digest)
        if is_deleted:
            self._observer.untagged(repository, tag)
        return is_deleted

    async def repositories(self) -> list[str]:
        """Return all repositories, sorted."""
        return await self._manifests.repositories()

    async def tags(self, repository: str) -> list[str]:
        """Return all tags, sorted. Raises NameUnknownError."""
        return sorted((await self._index(repository)).tags)

    async def _index(self, repository: str) -> RepositoryIndex:
        index = await self._manifests.index(repository)
        if index is None:
            raise NameUnknownError(f"there is no repository {repository}", detail={"name": repository})
        return index

    def _require_unused(self, repository: str, tags: Collection[str], digest: str | None) -> None:
        servings = self._usage.servings_of(repository, tags, digest)
        if servings:
            named = ", ".join(f"{repository}:{tag}" for tag in tags) or f"{repository}@{digest}"
            raise InUseError(still_served(named, servings), detail={"servings": servings})

    async def _require_parts(self, repository: str, manifest: Manifest) -> None:
        missing = await self.blobs.missing(repository, manifest.blobs)
        if manifest.children:
            index = await self._manifests.index(repository)
            missing += [digest for digest in manifest.children if index is None or digest not in index.manifests]
        if missing:
            raise ManifestBlobUnknownError(
                f"push {', '.join(missing)} to {repository} before the manifest that names it",
                detail={"digest": missing[0]},
            )


def _digest(content: bytes, expected: str | None) -> str:
    kind = names.algorithm(expected) if expected else "sha256"
    actual = f"{kind}:{hashlib.new(kind, content).hexdigest()}"
    if expected not in {None, actual}:
        detail = {"expected": expected, "actual": actual}
        raise DigestInvalidError(f"the manifest is {actual}, not {expected}", detail=detail)
    return actual


def _manifest_unknown(repository: str, reference: str) -> ManifestUnknownError:
    return ManifestUnknownError(f"{repository} has no manifest {reference}", detail={"reference": reference})
