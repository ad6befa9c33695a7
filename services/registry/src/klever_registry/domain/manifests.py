"""Parsing of pushed manifests: types, blobs and references. OCI image-spec 1.1, Docker v2.2."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from klever_registry.errors import ManifestInvalidError
from kleverproto.references import is_digest
from modelformats.bounded_json import load_json

from .media_types import IMAGES, INDEXES


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """An OCI descriptor of a manifest or blob."""

    media_type: str
    digest: str
    size: int
    artifact_type: str | None = None
    annotations: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the descriptor as JSON values."""
        document: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.artifact_type:
            document["artifactType"] = self.artifact_type
        if self.annotations:
            document["annotations"] = self.annotations
        return document


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A valid manifest."""

    content: bytes
    digest: str
    media_type: str
    artifact_type: str | None = None
    subject: str | None = None
    """Digest of the manifest that this one refers to."""
    blobs: tuple[str, ...] = ()
    """Digests of the config and of the layers. All of them must be in the repository."""
    foreign: tuple[str, ...] = ()
    """Digests of layers with `urls`, which may be stored elsewhere."""
    children: tuple[str, ...] = ()
    """Digests of the manifests that an index lists."""
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def descriptor(self) -> Descriptor:
        """The descriptor for a list of referrers."""
        return Descriptor(
            media_type=self.media_type,
            digest=self.digest,
            size=len(self.content),
            artifact_type=self.artifact_type,
            annotations=self.annotations,
        )


def parse_manifest(content: bytes, digest: str, media_type: str | None = None) -> Manifest:
    """Parse and validate a manifest.

    Args:
        content: the bytes.
        digest: the digest of the bytes.
        media_type: the Content-Type of the request, if any.

    Raises:
        ManifestInvalidError: the manifest is not JSON, has an unsupported type, or has missing or invalid parts.
    """
    document = _object(content)
    kind = _media_type(document, media_type)
    try:
        return _read(document, content=content, digest=digest, media_type=kind)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ManifestInvalidError(f"the manifest is not a valid {kind}: {error}") from error


def _object(content: bytes) -> dict[str, Any]:
    try:
        document = load_json(content)
    except ValueError as error:
        raise ManifestInvalidError(f"the manifest is not valid JSON: {error}") from error
    if not isinstance(document, dict) or document.get("schemaVersion") != 2:  # noqa: PLR2004 - the only version
        raise ManifestInvalidError("a manifest is a JSON object with schemaVersion 2")
    return document


def _media_type(document: dict[str, Any], declared: str | None) -> str:
    inside = document.get("mediaType")
    kind = (declared or inside or "").partition(";")[0].strip()
    if kind not in IMAGES | INDEXES:
        raise ManifestInvalidError(
            f"this registry does not accept manifests of type {kind or 'unknown'!r}: send an OCI or Docker manifest or "
            "index, with its media type as Content-Type"
        )
    if inside is not None and inside != kind:
        raise ManifestInvalidError(f"the Content-Type is {kind}, but the manifest's mediaType is {inside}")
    return str(kind)


def _read(document: dict[str, Any], *, content: bytes, digest: str, media_type: str) -> Manifest:
    is_image = media_type in IMAGES
    config = document["config"] if is_image else {}
    subject, artifact_type = document.get("subject"), document.get("artifactType")
    annotations = document.get("annotations") or {}
    return Manifest(
        content=content,
        digest=digest,
        media_type=media_type,
        artifact_type=artifact_type or config.get("mediaType"),
        subject=_digest(subject) if subject is not None else None,
        blobs=(_digest(config), *_layers(document, foreign=False)) if is_image else (),
        foreign=tuple(_layers(document, foreign=True)) if is_image else (),
        children=() if is_image else tuple(_digest(child) for child in document["manifests"]),
        annotations={str(key): str(value) for key, value in annotations.items()},
    )


def _layers(document: dict[str, Any], *, foreign: bool) -> Iterator[str]:
    """Yield the digests of the layers. Layers with `urls` are foreign: stored elsewhere."""
    return (_digest(layer) for layer in document["layers"] if bool(layer.get("urls")) is foreign)


def _digest(descriptor: dict[str, Any]) -> str:
    digest = str(descriptor["digest"])
    if not is_digest(digest):
        raise ValueError(f"{digest!r} is not a digest")
    return digest
