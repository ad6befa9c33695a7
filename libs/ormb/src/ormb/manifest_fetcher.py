"""Fetches manifests from a registry, through indexes, together with the config if it is needed."""

from .digest import digest_bytes, matches
from .errors import DigestMismatchError, UnsupportedArtifactError
from .limits import CONFIG_LIMIT
from .manifest import Descriptor, ModelManifest
from .manifest_parser import needed_config, parse_manifest, select_from_index
from .ports import Registry
from .reference import Reference


async def fetch_manifest(registry: Registry, reference: Reference) -> tuple[ModelManifest, bytes]:
    """Return the model that a reference names, and the bytes of its manifest.

    Raises:
        NotFoundError: the reference does not exist.
        UnsupportedArtifactError: it is not a model.
        DigestMismatchError: the bytes do not match the digest.
    """
    manifest = await _verified(registry, reference)
    if (selected := select_from_index(manifest)) is not None:
        manifest = await _verified(registry, reference.at(selected))
    descriptor = needed_config(manifest)
    config = await _blob(registry, reference, descriptor) if descriptor else None
    return parse_fetched(reference, manifest, config), manifest


def parse_fetched(reference: Reference, manifest: bytes, config: bytes | None) -> ModelManifest:
    """Parse a manifest. Raises UnsupportedArtifactError if it is not a model's."""
    parsed = parse_manifest(manifest, config)
    if parsed is None:
        raise UnsupportedArtifactError(
            f"{reference} is not a model: `ormb` reads ModelPack, ORMB, ModelKit and Docker model artifacts, "
            "and images with a model under /models"
        )
    return parsed


async def _verified(registry: Registry, reference: Reference) -> bytes:
    manifest, _ = await registry.get_manifest(reference)
    if reference.digest and not matches(manifest, reference.digest):
        raise DigestMismatchError(f"{reference.host} sent another manifest than {reference.digest}")
    return manifest


async def _blob(registry: Registry, reference: Reference, descriptor: Descriptor) -> bytes:
    if descriptor.size > CONFIG_LIMIT:
        raise UnsupportedArtifactError(f"the config of {reference} has {descriptor.size} bytes: it is refused")
    content = b""
    async for chunk in registry.get_blob(reference, descriptor.digest):
        content += chunk
        if len(content) > descriptor.size:
            break
    if digest_bytes(content) != descriptor.digest:
        raise DigestMismatchError(f"{reference.host} sent another config of {reference} than {descriptor.digest}")
    return content
