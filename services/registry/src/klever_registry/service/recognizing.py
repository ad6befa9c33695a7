"""What the catalogue says of a pushed artifact: models of every layout, images that carry one, and indexes of these."""

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
from ormb.reading import chosen_of_index, config_wanted, parse_manifest

SPEC_LIMIT = 512 * 1024
"""Bytes of what the catalogue keeps of an artifact: a message of NATS has at most 1 MiB, and a signature comes too."""
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
        """The spec of a model version; None for an image without a model, or a referrer.

        Of an index the manifest counts that `ormb pull` takes; the version has the digest of the index. What a stranger
        wrote is read in threads, so that other requests do not wait for it.

        Raises:
            TransientError: the registry does not answer.
            PermanentError: it has lost a part of the artifact, or the artifact cannot be read as a model.
        """
        if manifest.subject is not None:
            return None
        try:
            chosen = await self._chosen(ref, manifest)
            model = await in_thread(parse_manifest, chosen.content, await self._config(ref, chosen))
            if model is None or (model.layout == MODELCAR.name and not await self._carries_model(ref, model)):
                return None
            return await in_thread(_spec, ref, manifest.digest, self._address, model)
        except UnsupportedArtifactError as error:
            raise PermanentError(f"{error}. Push {ref} again once that is mended") from error

    async def _chosen(self, ref: ModelRef, manifest: Manifest) -> Manifest:
        digest = await in_thread(chosen_of_index, manifest.content) if manifest.children else None
        if digest is None:
            return manifest
        chosen = await self._manifests.get(ref.repository, digest)
        if chosen is None:
            raise PermanentError(f"{self._address} has lost the manifest {digest} of {ref}: push it again")
        return chosen

    async def _config(self, ref: ModelRef, manifest: Manifest) -> bytes | None:
        wanted = await in_thread(config_wanted, manifest.content)
        if wanted is None:
            return None
        if wanted.size > CONFIG_LIMIT:
            raise UnsupportedArtifactError(f"the config has {wanted.size} bytes, more than {CONFIG_LIMIT}")
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
        where = ".".join(map(str, problem["loc"]))
        raise UnsupportedArtifactError(f"{where} of the artifact is wrong: {problem['msg']}") from error
    if (size := len(spec.model_dump_json())) > SPEC_LIMIT:
        raise UnsupportedArtifactError(
            f"its layers and metadata are {size} bytes in the catalogue, more than {SPEC_LIMIT}: use fewer layers, and "
            "put what is large into files"
        )
    return spec


def _layer(layer: Any) -> dict[str, Any]:
    return {"media_type": layer.media_type, "digest": layer.digest, "size": layer.size, "path": layer.path}
