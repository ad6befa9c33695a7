"""Artifacts that refer to other artifacts (OCI 1.1 `subject`), on registries with and without the referrers API."""

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelformats.bounded_json import load_json

from . import mediatypes
from .digest import digest_bytes, digest_file
from .errors import NotFoundError, RegistryError, UnsupportedArtifactError
from .manifest import Descriptor, canonical_json
from .packed import Content
from .ports import Progress, Registry, Silent
from .reference import Reference
from .transfer import Transfer

EMPTY = b"{}"


@dataclass(frozen=True)
class Referrer:
    """An artifact that refers to another one."""

    digest: str
    artifact_type: str
    size: int
    """Size of its manifest, in bytes."""
    annotations: Mapping[str, str]


class Referrers:
    """The referrers in one registry.

    Args:
        registry: the client of the registry.
        transfer: uploads their blobs.
    """

    def __init__(self, registry: Registry, transfer: Transfer) -> None:
        self._registry = registry
        self._transfer = transfer

    async def discover(self, reference: Reference, digest: str, artifact_type: str | None = None) -> list[Referrer]:
        """List the referrers of a manifest, optionally of one type only. Raises RegistryError."""
        referrers = [_referrer(entry) for entry in await self.listed(reference, digest)]
        return [one for one in referrers if artifact_type in {None, one.artifact_type}]

    async def listed(self, reference: Reference, digest: str) -> list[dict[str, Any]]:
        """Return descriptors of a manifest's referrers, from the API or from the list under a tag.

        Raises RegistryError.
        """
        entries = await self._registry.get_referrers(reference, digest)
        return await self._tagged(reference, digest) if entries is None else entries

    async def attach(
        self,
        reference: Reference,
        subject: Descriptor,
        contents: list[Content],
        artifact_type: str,
        annotations: Mapping[str, str] | None = None,
        progress: Progress | None = None,
    ) -> str:
        """Push an artifact that refers to a manifest of the repository. Returns its digest.

        Raises:
            AuthenticationError, RegistryError.
        """
        config = Content(Descriptor(media_type=mediatypes.EMPTY, digest=digest_bytes(EMPTY), size=len(EMPTY)), EMPTY)
        document = {
            "schemaVersion": 2,
            "mediaType": mediatypes.OCI_MANIFEST,
            "artifactType": artifact_type,
            "config": config.descriptor.model_dump(exclude_defaults=True),
            "layers": [content.descriptor.model_dump(exclude_defaults=True) for content in contents],
            "subject": subject.model_dump(exclude_defaults=True),
            "annotations": dict(annotations or {}),
        }
        manifest = canonical_json({key: value for key, value in document.items() if value != {}})
        digest = digest_bytes(manifest)
        await self._transfer.upload(reference, [*contents, config], progress or Silent())
        is_listed = await self._registry.put_manifest(reference.at(digest), manifest, mediatypes.OCI_MANIFEST)
        if not is_listed:
            entry = {"mediaType": mediatypes.OCI_MANIFEST, "digest": digest, "size": len(manifest)}
            about = {"artifactType": artifact_type, "annotations": document["annotations"]}
            await self.list_by_tag(reference, subject.digest, entry | {k: v for k, v in about.items() if v})
        return digest

    async def fetch(self, reference: Reference, artifact_type: str, destination: Path, *, limit: int) -> None:
        """Download the only file of an artifact, which the reference names by digest.

        Raises:
            UnsupportedArtifactError: it has another type, several files, or a file of more than `limit` bytes.
            NotFoundError, AuthenticationError, RegistryError.
        """
        content, _ = await self._registry.get_manifest(reference)
        try:
            document = load_json(content)
            (layer,) = (Descriptor.model_validate(each) for each in document["layers"])
        except (ValueError, KeyError, TypeError) as error:
            raise UnsupportedArtifactError(f"{reference} is no artifact of one file") from error
        if document.get("artifactType") != artifact_type:
            raise UnsupportedArtifactError(
                f"{reference} is of the type {document.get('artifactType')}, not {artifact_type}"
            )
        if layer.size > limit:
            raise UnsupportedArtifactError(f"the file of {reference} has {layer.size} bytes, more than {limit}")
        await self._transfer.download(reference, [(layer, destination)], Silent())

    async def list_by_tag(self, reference: Reference, subject: str, entry: dict[str, Any]) -> None:
        """Add an entry to the list of referrers under a tag made of the digest (distribution-spec 1.1)."""
        others = [one for one in await self._tagged(reference, subject) if one.get("digest") != entry["digest"]]
        document = {"schemaVersion": 2, "mediaType": mediatypes.OCI_INDEX, "manifests": [*others, entry]}
        tagged = reference.tagged(referrers_tag(subject))
        await self._registry.put_manifest(tagged, canonical_json(document), mediatypes.OCI_INDEX)

    async def _tagged(self, reference: Reference, subject: str) -> list[dict[str, Any]]:
        tagged = reference.tagged(referrers_tag(subject))
        try:
            content, _ = await self._registry.get_manifest(tagged)
        except NotFoundError:
            return []
        if digest_bytes(content) == subject:
            return []  # after `cosign copy`, the tag can name the artifact itself
        try:
            entries: list[dict[str, Any]] = load_json(content)["manifests"]
        except (ValueError, KeyError, TypeError) as error:
            raise RegistryError(f"{tagged} is no list of referrers") from error
        return entries


def attachment(path: Path) -> Content:
    """Return a file as a layer with its name. Raises OSError."""
    descriptor = Descriptor(
        media_type=mimetypes.guess_type(path.name)[0] or "application/octet-stream",
        digest=digest_file(path),
        size=path.stat().st_size,
        annotations={mediatypes.TITLE: path.name},
    )
    return Content(descriptor, path)


def referrers_tag(digest: str) -> str:
    """Return the tag of the list of referrers, for registries without the API (distribution-spec 1.1)."""
    return digest.replace(":", "-", 1)


def _referrer(entry: dict[str, Any]) -> Referrer:
    return Referrer(
        digest=str(entry["digest"]),
        artifact_type=str(entry.get("artifactType") or ""),
        size=int(entry.get("size") or 0),
        annotations=entry.get("annotations") or {},
    )
