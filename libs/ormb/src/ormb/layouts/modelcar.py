"""Modelcar: an ordinary container image that keeps a model under /models (KServe's `oci://`)."""

from typing import Any

from ormb.errors import UnsupportedArtifactError
from ormb.manifest import Descriptor
from ormb.modelfile import ModelFile

from .layout import Archive, LayerFiles, archive_of, config_type

CONFIGS = {
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
}
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DIRECTORY = "models"


class Modelcar:
    """See `Layout`. Any image may be one; whether it is shows when its layers are unpacked."""

    name = "modelcar"

    def claims(self, document: dict[str, Any]) -> bool:
        """Every container image."""
        return config_type(document) in CONFIGS and not document.get("artifactType")

    def wants_config(self, _document: dict[str, Any]) -> bool:
        """An image's config says nothing of a model."""
        return False

    def modelfile(self, _document: dict[str, Any], _config: bytes | None) -> ModelFile | None:
        """Nothing is said."""
        return None

    def files(self, layers: tuple[Descriptor, ...], _document: dict[str, Any]) -> list[LayerFiles]:
        """What each layer has under /models; later ones win."""
        return [LayerFiles(layer, "model", _archive(layer), below=DIRECTORY) for layer in layers]


MODELCAR = Modelcar()


def _archive(layer: Descriptor) -> Archive:
    archive = Archive.TAR_GZIP if layer.media_type == DOCKER_LAYER else archive_of(layer.media_type)
    if archive is None:
        raise UnsupportedArtifactError(f"layer {layer.digest} of type {layer.media_type} is no image layer")
    return archive
