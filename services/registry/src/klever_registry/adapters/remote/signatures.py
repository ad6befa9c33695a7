"""Signatures of an external registry's models: OCI 1.1 referrers, or the tag schema if these are not supported."""

import structlog
from pydantic import ValidationError

from klever_registry.domain.catalogue import AttachedSignature
from klever_registry.domain.media_types import SIGNATURE
from klever_registry.domain.signatures import LONGEST, canonical, digest_of
from kleverkit.errors import PermanentError
from kleverproto.signatures import Signature
from ormb.manifest import Descriptor
from ormb.packed import Content
from ormb.referrers import Referrers
from ormb.transfer import Transfer

from .connection import RemoteConnection, translated
from .manifests import RemoteManifests

log = structlog.get_logger(__name__)


class RemoteSignatures:
    """See `SignatureStore`.

    Args:
        connection: the HTTP client.
        manifests: the manifests of the registry.
    """

    def __init__(self, connection: RemoteConnection, manifests: RemoteManifests) -> None:
        self._connection = connection
        self._manifests = manifests

    async def attach(self, repository: str, digest: str, signature: Signature) -> AttachedSignature | None:
        """See `SignatureStore`. For a registry without the right to push, only the catalogue gets the signature."""
        model = await self._manifests.get(repository, digest)
        if model is None:
            return None
        content = canonical(signature.model_dump(mode="json", exclude_defaults=True))
        layer = Descriptor(media_type=SIGNATURE, digest=digest_of(content), size=len(content))
        subject = Descriptor(media_type=model.media_type, digest=digest, size=len(model.content))
        named = self._manifests.reference(repository, digest)
        try:
            with translated():
                referrer = await self._referrers().attach(named, subject, [Content(layer, content)], SIGNATURE)
        except PermanentError as error:
            log.warning("signature not attached", ref=str(named), error=str(error))
            return AttachedSignature(signature, None)
        return AttachedSignature(signature, referrer)

    async def find(self, repository: str, digest: str) -> AttachedSignature | None:
        """See `SignatureStore`."""
        with translated():
            referrers = await self._referrers().discover(
                self._manifests.reference(repository, digest), digest, SIGNATURE
            )
        for referrer in reversed(referrers):
            signature = await self._read(repository, referrer.digest)
            if signature is not None:
                return AttachedSignature(signature, referrer.digest)
        return None

    async def tags_of(self, repository: str, digest: str) -> list[str]:
        """See `SignatureStore`."""
        return sorted(tag for tag, named in (await self._manifests.tags(repository)).items() if named == digest)

    async def _read(self, repository: str, referrer: str) -> Signature | None:
        """Return the signature in a referrer; None if the referrer is not from Klever and contains none."""
        manifest = await self._manifests.get(repository, referrer)
        if manifest is None or not manifest.blobs:
            return None
        content = await self._blob(repository, manifest.blobs[-1])
        if len(content) > LONGEST or digest_of(content) != manifest.blobs[-1]:
            return None
        try:
            return Signature.model_validate_json(content)
        except ValidationError:
            return None

    async def _blob(self, repository: str, digest: str) -> bytes:
        content = b""
        with translated():
            async for chunk in self._connection.registry.get_blob(
                self._manifests.reference(repository, digest), digest
            ):
                content += chunk
                if len(content) > LONGEST:
                    break
        return content

    def _referrers(self) -> Referrers:
        registry = self._connection.registry
        return Referrers(registry, Transfer(registry))
