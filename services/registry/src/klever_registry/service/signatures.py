"""Signatures of models, stored as their OCI referrers."""

from pydantic import ValidationError

from klever_registry.domain.catalogue import AttachedSignature
from klever_registry.domain.manifests import Manifest, parse_manifest
from klever_registry.domain.media_types import SIGNATURE
from klever_registry.domain.signatures import LONGEST, build, digest_of
from klever_registry.ports import BlobStore, ManifestStore
from kleverproto.signatures import Signature


class Signatures:
    """Reads and writes referrers with signatures."""

    def __init__(self, *, blobs: BlobStore, manifests: ManifestStore) -> None:
        self._blobs = blobs
        self._manifests = manifests

    async def attach(self, repository: str, digest: str, signature: Signature) -> AttachedSignature | None:
        """Attach a signature to its model. Idempotent. Returns None if the model does not exist any more."""
        model = await self._manifests.get(repository, digest)
        if model is None:
            return None
        artifact = build(signature, model.descriptor)
        for name, content in artifact.blobs.items():
            await self._blobs.put(repository, name, content)
        manifest = parse_manifest(artifact.manifest, digest_of(artifact.manifest))
        await self._manifests.put(repository, manifest, None)
        return AttachedSignature(signature, manifest.digest)

    async def find(self, repository: str, digest: str) -> AttachedSignature | None:
        """Return the last attached signature, or None."""
        index = await self._manifests.index(repository)
        for referrer in reversed(index.referrers(digest) if index else []):
            manifest = await self._manifests.get(repository, referrer)
            if manifest is None or manifest.artifact_type != SIGNATURE:
                continue
            if (signature := await self._read(repository, manifest)) is not None:
                return AttachedSignature(signature, referrer)
        return None

    async def tags_of(self, repository: str, digest: str) -> list[str]:
        """Return the present tags of a model."""
        index = await self._manifests.index(repository)
        return index.tags_of(digest) if index else []

    async def _read(self, repository: str, manifest: Manifest) -> Signature | None:
        """Return the signature in a referrer; None if the referrer is not from Klever and contains none."""
        layer = manifest.blobs[-1]
        size = await self._blobs.size(repository, layer)
        if size is None or size > LONGEST:
            return None
        pieces = [piece async for piece in self._blobs.read(repository, layer, start=0, stop=size)]
        try:
            return Signature.model_validate_json(b"".join(pieces))
        except ValidationError:
            return None
