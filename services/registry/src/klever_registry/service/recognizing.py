"""Recognizes models among pushed artifacts: models in all layouts, images with a model, and indexes of these."""

from typing import Any

from pydantic import ValidationError

from klever_registry.domain.manifests import Manifest
from klever_registry.ports import ManifestSource
from kleverkit.errors import PermanentError
from kleverproto.models import LayerInfo, ModelMetadata, ModelSpec
from kleverproto.references import ModelRef
from modelformats.threads import in_thread
from ormb.errors import UnsupportedArtifactError
from ormb.layouts.modelcar import MODELCAR
from ormb.limits import CONFIG_LIMIT
from ormb.manifest import ModelManifest
from ormb.modelcars import START, holds_model
from ormb.modelfile import to_metadata
from ormb.reading import needed_config, parse_manifest, select_from_index

SPEC_LIMIT = 512 * 1024
"""Maximum size of a spec in bytes: a NATS message has at most 1 MiB, and must also hold the signature."""
CACHED_IMAGES = 50_000
"""Number of images with a cached result."""


class Recognizer:
    """Reads the manifests of one registry as models.

    Args:
        manifests: the manifests of the registry.
        address: host:port of the registry.
    """

    def __init__(self, manifests: ManifestSource, address: str) -> None:
        self._manifests = manifests
        self._address = address
        self._images: dict[str, bool] = {}

    async def spec(self, ref: ModelRef, manifest: Manifest) -> ModelSpec | None:
        """Return the spec of a model version; None for an image without a model, or a referrer.

        For an index, the spec is that of the manifest that `ormb pull` selects, with the digest of the index. Untrusted
        content is parsed in threads, so that other requests do not wait for it.

        Raises:
            TransientError: the registry does not respond.
            PermanentError: the registry has lost a part of the artifact, or the artifact is not a valid model.
        """
        if manifest.subject is not None:
            return None
        try:
            chosen = await self._select_manifest(ref, manifest)
            model = await in_thread(parse_manifest, chosen.content, await self._config(ref, chosen))
            if model is None or (model.layout == MODELCAR.name and not await self._has_model(ref, model)):
                return None
            return await in_thread(_spec, ref, manifest.digest, self._address, model)
        except UnsupportedArtifactError as error:
            raise PermanentError(f"{error}. Correct that and push {ref} again") from error

    async def _select_manifest(self, ref: ModelRef, manifest: Manifest) -> Manifest:
        digest = await in_thread(select_from_index, manifest.content) if manifest.children else None
        if digest is None:
            return manifest
        chosen = await self._manifests.get(ref.repository, digest)
        if chosen is None:
            raise PermanentError(f"{self._address} has lost the manifest {digest} of {ref}: push it again")
        return chosen

    async def _config(self, ref: ModelRef, manifest: Manifest) -> bytes | None:
        descriptor = await in_thread(needed_config, manifest.content)
        if descriptor is None:
            return None
        if descriptor.size > CONFIG_LIMIT:
            raise UnsupportedArtifactError(f"the config has {descriptor.size} bytes, more than {CONFIG_LIMIT}")
        config = await self._manifests.config(ref.repository, descriptor.digest, descriptor.size)
        if config is None:
            raise PermanentError(f"{self._address} has lost the config {descriptor.digest} of {ref}: push it again")
        return config

    async def _has_model(self, ref: ModelRef, image: ModelManifest) -> bool:
        """Return whether an image contains a model. Results are cached, because each comparison repeats the check."""
        if image.digest not in self._images:
            while len(self._images) >= CACHED_IMAGES:
                del self._images[next(iter(self._images))]
            self._images[image.digest] = await self._contains_model(ref, image)
        return self._images[image.digest]

    async def _contains_model(self, ref: ModelRef, image: ModelManifest) -> bool:
        for layer in reversed(image.layers):  # images usually copy the model last
            start = await self._manifests.start_of_blob(ref.repository, layer.digest, min(START, layer.size))
            if await in_thread(holds_model, layer.media_type, start):
                return True
        return False


def _spec(ref: ModelRef, digest: str, registry: str, model: ModelManifest) -> ModelSpec:
    try:
        spec = ModelSpec(
            ref=ref,
            digest=digest,
            registry=registry,
            artifact_type=model.artifact_type,
            size=model.size,
            layers=tuple(LayerInfo(**_layer(layer)) for layer in model.layers),
            metadata=to_metadata(model.modelfile) if model.modelfile else ModelMetadata(),
        )
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(map(str, problem["loc"]))
        raise UnsupportedArtifactError(f"{field} of the artifact is invalid: {problem['msg']}") from error
    if (size := len(spec.model_dump_json())) > SPEC_LIMIT:
        raise UnsupportedArtifactError(
            f"its layers and metadata are {size} bytes in the catalogue, more than {SPEC_LIMIT}: use fewer layers, and "
            "put large metadata into files"
        )
    return spec


def _layer(layer: Any) -> dict[str, Any]:
    return {"media_type": layer.media_type, "digest": layer.digest, "size": layer.size, "path": layer.path}
