"""Signatures of models, kept beside them as OCI referrers."""

from pydantic import ValidationError

from klever_registry.domain.catalogue import AttachedSignature
from klever_registry.domain.manifests import Manifest, parse_manifest
from klever_registry.domain.media_types import SIGNATURE
from klever_registry.domain.signatures import LONGEST, build, digest_of
from klever_registry.ports import BlobStore, ManifestStore
from kleverproto.signatures import Signature


class Signatures:
    """Reads and writes the referrers that hold signatures."""

    def __init__(self, *, blobs: BlobStore, manifests: ManifestStore) -> None:
        self._blobs = blobs
        self._manifests = manifests

    async def attach(self, repository: str, digest: str, signature: Signature) -> AttachedSignature | None:
        """Store a signature beside its model; the same again changes nothing. None where the model is gone."""
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
        """The signature that was attached last, if any."""
        index = await self._manifests.index(repository)
        for referrer in reversed(index.referrers(digest) if index else []):
            manifest = await self._manifests.get(repository, referrer)
            if manifest and manifest.artifact_type == SIGNATURE and (found := await self._read(repository, manifest)):
                return AttachedSignature(found, referrer)
        return None

    async def tags_of(self, repository: str, digest: str) -> list[str]:
        """The tags that name a model now."""
        index = await self._manifests.index(repository)
        return index.tags_of(digest) if index else []

    async def _read(self, repository: str, manifest: Manifest) -> Signature | None:
        """The signature inside a referrer; None where someone else made it and it holds none."""
        layer = manifest.blobs[-1]
        size = await self._blobs.size(repository, layer)
        if size is None or size > LONGEST:
            return None
        pieces = [piece async for piece in self._blobs.read(repository, layer, start=0, stop=size)]
        try:
            return Signature.model_validate_json(b"".join(pieces))
        except ValidationError:
            return None
