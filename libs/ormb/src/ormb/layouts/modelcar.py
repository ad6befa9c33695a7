"""Modelcar: an ordinary container image with a model under /models (KServe's `oci://`)."""

from typing import Any

from ormb.manifest import ModelManifest
from ormb.modelfile import ModelFile

from . import layer_types
from .layer_types import layer_type
from .layout import ArtifactFiles, LayerFiles, config_document, config_type, table

CONFIGS = {
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
}
DIRECTORY, MODEL = "models", "model"


class Modelcar:
    """See `Layout`. Any image matches. Only its layers show whether it contains a model."""

    name = "modelcar"

    def claims(self, document: dict[str, Any]) -> bool:
        """True for every container image."""
        return config_type(document) in CONFIGS and not document.get("artifactType")

    def wants_config(self, _document: dict[str, Any]) -> bool:
        """True: the config of an image contains the digests of its uncompressed layers."""
        return True

    def modelfile(self, _document: dict[str, Any], _config: bytes | None) -> ModelFile | None:
        """None: the artifact has no metadata."""
        return None

    def files(self, manifest: ModelManifest) -> ArtifactFiles:
        """Return the content of each layer under /models. Later layers take precedence."""
        patterns, declared = (layer_types.IMAGE, layer_types.IMAGE_OF_DOCKER), _diff_ids(manifest.config_content)
        return ArtifactFiles(
            tuple(
                LayerFiles(layer, layer_type(layer.media_type, patterns), MODEL, below=DIRECTORY, diff_ids=declared)
                for layer in manifest.layers
            )
        )


MODELCAR = Modelcar()


def _diff_ids(config: bytes | None) -> frozenset[str]:
    """Return the digests of the uncompressed layers (OCI image-spec, config.md)."""
    rootfs = table(config_document(config).get("rootfs"))
    return frozenset(str(each) for each in rootfs.get("diff_ids") or [])
