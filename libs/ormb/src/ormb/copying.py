"""From one registry to another without a copy in the local store: blobs pass through a temporary file each."""

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

from .manifest import Descriptor
from .packed import Content
from .ports import Progress, Registry
from .reference import Reference
from .transfer import Transfer


class Copier:
    """Copies artifacts of any kind, with what an index lists.

    Args:
        registry: both ends; it speaks to any host.
        transfer: moves blobs.
        scratch: an existing directory for blobs on their way.
        concurrency: blobs on their way at a time.
    """

    def __init__(self, registry: Registry, transfer: Transfer, scratch: Path, *, concurrency: int) -> None:
        self._registry = registry
        self._transfer = transfer
        self._scratch = scratch
        self._slots = asyncio.Semaphore(concurrency)

    async def copy(self, source: Reference, target: Reference, progress: Progress) -> None:
        """Copy a manifest and all that it names. Raises NotFoundError, AuthenticationError, RegistryError."""
        manifest, media_type = await self._registry.get_manifest(source)
        document: dict[str, Any] = json.loads(manifest)
        for entry in document.get("manifests") or []:
            await self.copy(source.at(entry["digest"]), target.at(entry["digest"]), progress)
        blobs = [document["config"], *document["layers"]] if "config" in document else []
        descriptors = {blob["digest"]: Descriptor.model_validate(blob) for blob in blobs}
        progress.started(sum(descriptor.size for descriptor in descriptors.values()))
        async with asyncio.TaskGroup() as group:
            for descriptor in descriptors.values():
                group.create_task(self._blob(source, target, descriptor, progress))
        await self._registry.put_manifest(target, manifest, document.get("mediaType") or media_type)

    async def _blob(self, source: Reference, target: Reference, descriptor: Descriptor, progress: Progress) -> None:
        async with self._slots:
            if await self._is_there(source, target, descriptor.digest):
                progress.advanced(descriptor.size)
                return
            with tempfile.TemporaryDirectory(dir=self._scratch) as directory:
                path = Path(directory) / "blob"
                await self._transfer.download(source, [(descriptor, path)], progress)
                progress.advanced(-descriptor.size)  # it counts when it has arrived
                await self._transfer.upload(target, [Content(descriptor, path)], progress)

    async def _is_there(self, source: Reference, target: Reference, digest: str) -> bool:
        """Whether the target has the blob, or its registry takes it from the source."""
        if await self._registry.has_blob(target, digest):
            return True
        return source.host == target.host and await self._registry.mount_blob(target, digest, source.repository)
