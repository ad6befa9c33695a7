"""ORMB v1alpha1, the layout of the Go `ormb`: one gzipped tar of `model/`, and the ormbfile as config."""

from typing import Any

from ormb.manifest import Descriptor, ModelManifest, canonical_json
from ormb.modelfile import ModelFile, lenient_modelfile

from . import layer_types
from .layer_types import layer_type
from .layout import ArtifactFiles, LayerFiles, config_document, config_type

CONFIG = "application/vnd.caicloud.model.config.v1alpha1+json"
LAYER = "application/tar+gzip"
NEVER = "0001-01-01T00:00:00Z"
"""The value that Go writes for an unset time."""


class OrmbV1Alpha1:
    """See `Layout`."""

    name = "ormb"

    def claims(self, document: dict[str, Any]) -> bool:
        """Identified by the type of the config, since the manifest has no type."""
        return config_type(document) == CONFIG

    def wants_config(self, _document: dict[str, Any]) -> bool:
        """True: the config is the ormbfile."""
        return True

    def modelfile(self, _document: dict[str, Any], config: bytes | None) -> ModelFile | None:
        """Return the config, without the value that Go writes for an unset time."""
        if config is None:
            return None
        data = config_document(config)
        return lenient_modelfile({key: value for key, value in data.items() if (key, value) != ("created", NEVER)})

    def files(self, manifest: ModelManifest) -> ArtifactFiles:
        """Return the archive; its entries begin with `model/`."""
        patterns = (layer_types.ORMB,)
        return ArtifactFiles(
            tuple(LayerFiles(layer, layer_type(layer.media_type, patterns), "") for layer in manifest.layers)
        )


ORMB_V1ALPHA1 = OrmbV1Alpha1()


def build_config(modelfile: ModelFile, names: list[str]) -> bytes:
    """Build the config for the Go `ormb`, which requires a time and the names of the files."""
    written = modelfile.replace(directory_structure=tuple(names), size=None)
    return canonical_json({"created": NEVER, **written.model_dump(mode="json", exclude_defaults=True)})


def build_manifest(config: Descriptor, layer: Descriptor) -> bytes:
    """Build the manifest like the Go `ormb`: without media type, artifact type and annotations."""
    layers = [layer.model_dump(exclude_defaults=True)]
    return canonical_json({"schemaVersion": 2, "config": config.model_dump(exclude_defaults=True), "layers": layers})
