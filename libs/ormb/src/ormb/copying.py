"""Copies artifacts between registries. Each blob passes through a temporary file, not through the local store."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from modelformats.bounded_json import load_json

from .digest import digest_bytes
from .errors import NotFoundError, RegistryError
from .manifest import Descriptor
from .packed import Content
from .ports import Progress, Registry
from .reference import Reference
from .referrers import Referrers, referrers_tag
from .transfer import Transfer

COSIGN_ENDINGS = (".sig", ".att", ".sbom")
"""Suffixes of the tags under which cosign stores artifacts that it does not attach as referrers."""


class Copier:
    """Copies artifacts of any kind, with the entries of an index and with referrers.

    Args:
        registry: the client for source and target.
        transfer: transfers blobs.
        scratch: an existing directory for blobs in transfer.
        concurrency: number of blobs in transfer at the same time.
        progress: receives the progress.
        with_referrers: whether to copy signatures, SBOMs and other referrers.
    """

    def __init__(
        self,
        registry: Registry,
        transfer: Transfer,
        scratch: Path,
        progress: Progress,
        *,
        concurrency: int,
        with_referrers: bool,
    ) -> None:
        self._registry = registry
        self._transfer = transfer
        self._referrers = Referrers(registry, transfer)
        self._scratch = scratch
        self._progress = progress
        self._slots = asyncio.Semaphore(concurrency)
        self._with_referrers = with_referrers
        self._seen: set[str] = set()

    async def copy(self, source: Reference, target: Reference) -> None:
        """Copy a manifest and everything that it references. The tag is pushed last.

        Raises:
            NotFoundError, AuthenticationError.
            RegistryError: also if a cosign tag of the target has signatures that the source does not have.
        """
        manifest, media_type = await self._registry.get_manifest(source)
        document: dict[str, Any] = load_json(manifest)
        digest = source.digest or digest_bytes(manifest)
        self._seen.add(digest)
        for entry in document.get("manifests") or []:
            await self.copy(source.at(entry["digest"]), target.at(entry["digest"]))
        await self._blobs(source, target, document)
        kind = document.get("mediaType") or media_type
        is_listed = await self._registry.put_manifest(target.at(digest), manifest, kind)
        if "subject" in document and not is_listed:
            entry = {"mediaType": kind, "digest": digest, "size": len(manifest), **listed_fields(document)}
            await self._referrers.list_by_tag(target, document["subject"]["digest"], entry)
        if self._with_referrers:
            await self._copy_referrers(source, target, digest)
        if target.digest is None:
            await self._registry.put_manifest(target, manifest, kind)

    async def _copy_referrers(self, source: Reference, target: Reference, digest: str) -> None:
        for entry in await self._referrers.listed(source, digest):
            if entry["digest"] in self._seen or not await self._has(source.at(entry["digest"])):
                continue  # a list by tag can contain deleted manifests
            await self.copy(source.at(entry["digest"]), target.at(entry["digest"]))
        for ending in COSIGN_ENDINGS:
            tag = referrers_tag(digest) + ending
            await self._copy_signatures(source.tagged(tag), target.tagged(tag))

    async def _copy_signatures(self, source: Reference, target: Reference) -> None:
        """Copy the signatures of an artifact, which are layers of one manifest, unless that would overwrite others."""
        signatures = await self._layers(source)
        if signatures is None:
            return
        if (present := await self._layers(target)) and not present <= signatures:
            raise RegistryError(
                f"{target} has signatures that {source} does not have, and copying would overwrite them. Copy with "
                "--no-referrers, or delete that tag first"
            )
        await self.copy(source, target)

    async def _has(self, reference: Reference) -> bool:
        try:
            await self._registry.get_manifest(reference)
        except NotFoundError:
            return False
        return True

    async def _layers(self, reference: Reference) -> set[str] | None:
        try:
            manifest, _ = await self._registry.get_manifest(reference)
        except NotFoundError:
            return None
        return {str(layer["digest"]) for layer in load_json(manifest).get("layers") or []}

    async def _blobs(self, source: Reference, target: Reference, document: dict[str, Any]) -> None:
        blobs = [document["config"], *document["layers"]] if "config" in document else []
        descriptors = {blob["digest"]: Descriptor.model_validate(blob) for blob in blobs}
        self._progress.started(sum(descriptor.size for descriptor in descriptors.values()))
        async with asyncio.TaskGroup() as group:
            for descriptor in descriptors.values():
                group.create_task(self._blob(source, target, descriptor))

    async def _blob(self, source: Reference, target: Reference, descriptor: Descriptor) -> None:
        async with self._slots:
            if await self._has_blob_or_mounts(source, target, descriptor.digest):
                self._progress.advanced(descriptor.size)
                return
            with tempfile.TemporaryDirectory(dir=self._scratch) as directory:
                path = Path(directory) / "blob"
                await self._transfer.download(source, [(descriptor, path)], self._progress)
                self._progress.advanced(-descriptor.size)  # progress counts bytes that arrive at the target
                await self._transfer.upload(target, [Content(descriptor, path)], self._progress)

    async def _has_blob_or_mounts(self, source: Reference, target: Reference, digest: str) -> bool:
        """Return whether the target has the blob, or its registry mounts it from the source."""
        if await self._registry.has_blob(target, digest):
            return True
        return source.host == target.host and await self._registry.mount_blob(target, digest, source.repository)


def listed_fields(document: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that a list of referrers adds to a descriptor (distribution-spec 1.1, referrers tag schema)."""
    kind = document.get("artifactType") or (document.get("config") or {}).get("mediaType")
    about = {"artifactType": kind, "annotations": document.get("annotations")}
    return {key: value for key, value in about.items() if value}
