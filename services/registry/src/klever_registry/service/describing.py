"""What the catalogue says of a pushed artifact, read from its manifest and, in some layouts, its config."""

from typing import Any

from pydantic import ValidationError

from klever_registry.domain.manifests import Manifest
from kleverproto.models import LayerInfo, ModelMetadata, ModelSpec
from kleverproto.references import ModelRef
from ormb.manifest import ModelManifest
from ormb.modelfile import to_metadata
from ormb.reading import parse_model_manifest


def describe(ref: ModelRef, manifest: Manifest, *, registry: str, config: bytes | None = None) -> ModelSpec | None:
    """The spec of a model version; None for a container image, an index, a referrer or a broken model.

    Args:
        ref: the tag that names the manifest.
        manifest: the manifest.
        registry: host:port from which it can be pulled.
        config: its config blob, where the metadata are there (`ormb.reading.config_wanted`).
    """
    model = parse_model_manifest(manifest.content, config)
    if model is None or manifest.subject is not None:
        return None
    try:
        return ModelSpec(
            ref=ref,
            digest=manifest.digest,
            registry=registry,
            artifact_type=model.artifact_type,
            size=model.size,
            layers=tuple(LayerInfo(**_layer(layer)) for layer in model.layers),
            metadata=_metadata(model),
        )
    except ValidationError:
        return None


def _layer(layer: Any) -> dict[str, Any]:
    return {"media_type": layer.media_type, "digest": layer.digest, "size": layer.size, "path": layer.path}


def _metadata(model: ModelManifest) -> ModelMetadata:
    return to_metadata(model.modelfile) if model.modelfile else ModelMetadata()
