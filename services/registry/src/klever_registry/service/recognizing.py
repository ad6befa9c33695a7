"""What the catalogue says of a pushed artifact: models of every layout, images that carry one, and indexes of these."""

from typing import Any

from pydantic import ValidationError

from klever_registry.domain.manifests import Manifest
from klever_registry.ports import ManifestSource
from kleverkit.errors import PermanentError
from kleverproto.models import LayerInfo, ModelMetadata, ModelSpec
from kleverproto.references import ModelRef
from ormb.layouts.modelcar import MODELCAR
from ormb.limits import CONFIG_LIMIT
from ormb.manifest import ModelManifest
from ormb.modelcars import START, holds_model
from ormb.modelfile import to_metadata
from ormb.reading import chosen_of_index, config_wanted, parse_manifest

REMEMBERED = 50_000
"""Images of which it is remembered whether they carry a model."""


class Recognizer:
    """Reads the manifests of one registry as models.

    Args:
        manifests: what the registry has.
        address: host:port from which it can be pulled.
    """

    def __init__(self, manifests: ManifestSource, address: str) -> None:
        self._manifests = manifests
        self._address = address
        self._images: dict[str, bool] = {}

    async def spec(self, ref: ModelRef, manifest: Manifest) -> ModelSpec | None:
        """The spec of a model version; None for an image without a model, a referrer or a broken model.

        Of an index the manifest counts that `ormb pull` takes; the version has the digest of the index.

        Raises:
            TransientError: the registry does not answer.
            PermanentError: it has lost a part of the artifact.
        """
        chosen = await self._chosen(ref, manifest)
        model = parse_manifest(chosen.content, await self._config(ref, chosen))
        if model is None or manifest.subject is not None:
            return None
        if model.layout == MODELCAR.name and not await self._carries_model(ref, model):
            return None
        return _spec(ref, manifest.digest, self._address, model)

    async def _chosen(self, ref: ModelRef, manifest: Manifest) -> Manifest:
        digest = chosen_of_index(manifest.content) if manifest.children else None
        if digest is None:
            return manifest
        chosen = await self._manifests.get(ref.repository, digest)
        if chosen is None:
            raise PermanentError(f"{self._address} has lost the manifest {digest} of {ref}: push it again")
        return chosen

    async def _config(self, ref: ModelRef, manifest: Manifest) -> bytes | None:
        wanted = config_wanted(manifest.content)
        if wanted is None or wanted.size > CONFIG_LIMIT:
            return None
        config = await self._manifests.config(ref.repository, wanted.digest, wanted.size)
        if config is None:
            raise PermanentError(f"{self._address} has lost the config {wanted.digest} of {ref}: push it again")
        return config

    async def _carries_model(self, ref: ModelRef, image: ModelManifest) -> bool:
        """What was found of an image is remembered: each comparison asks for all tags that name no model."""
        if image.digest not in self._images:
            while len(self._images) >= REMEMBERED:
                del self._images[next(iter(self._images))]
            self._images[image.digest] = await self._looked_into(ref, image)
        return self._images[image.digest]

    async def _looked_into(self, ref: ModelRef, image: ModelManifest) -> bool:
        for layer in reversed(image.layers):  # models are mostly copied last
            start = await self._manifests.start_of_blob(ref.repository, layer.digest, min(START, layer.size))
            if holds_model(layer.media_type, start):
                return True
        return False


def _spec(ref: ModelRef, digest: str, registry: str, model: ModelManifest) -> ModelSpec | None:
    try:
        return ModelSpec(
            ref=ref,
            digest=digest,
            registry=registry,
            artifact_type=model.artifact_type,
            size=model.size,
            layers=tuple(LayerInfo(**_layer(layer)) for layer in model.layers),
            metadata=to_metadata(model.modelfile) if model.modelfile else ModelMetadata(),
        )
    except ValidationError:
        return None


def _layer(layer: Any) -> dict[str, Any]:
    return {"media_type": layer.media_type, "digest": layer.digest, "size": layer.size, "path": layer.path}
