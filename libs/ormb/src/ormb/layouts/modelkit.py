"""KitOps ModelKit (https://kitops.org): a Kitfile as config, one layer for each of its entries."""

import json
from collections.abc import Iterator
from typing import Any

from ormb import mediatypes
from ormb.errors import UnsupportedArtifactError
from ormb.manifest import Descriptor
from ormb.modelfile import ModelFile, lenient_modelfile

from .layout import LayerFiles, archive_of, config_type

ARTIFACT = "application/vnd.kitops.modelkit.manifest.v1+json"
CONFIG = "application/vnd.kitops.modelkit.config.v1+json"
PREFIX = "application/vnd.kitops.modelkit."
SECTIONS = ("datasets", "code", "docs", "prompts")


class ModelKit:
    """See `Layout`."""

    name = "modelkit"

    def claims(self, document: dict[str, Any]) -> bool:
        """By the artifact's type in newer kits, by the config's in all."""
        return document.get("artifactType") == ARTIFACT or config_type(document) == CONFIG

    def wants_config(self, _document: dict[str, Any]) -> bool:
        """Always: the Kitfile is there."""
        return True

    def modelfile(self, _document: dict[str, Any], config: bytes | None) -> ModelFile | None:
        """What the Kitfile has in common with an ormbfile."""
        if config is None:
            return None
        kitfile = json.loads(config)
        package, model = kitfile.get("package") or {}, kitfile.get("model") or {}
        return lenient_modelfile(
            {
                "author": ", ".join(package.get("authors") or []) or None,
                "description": package.get("description") or model.get("description"),
                "framework": model.get("framework"),
            }
        )

    def files(self, layers: tuple[Descriptor, ...], _document: dict[str, Any]) -> list[LayerFiles]:
        """Archives hold paths from the kit's root; a raw layer is one file."""
        return [_files(layer) for layer in layers]


MODELKIT = ModelKit()


def _files(layer: Descriptor) -> LayerFiles:
    if not layer.media_type.startswith(PREFIX):
        raise UnsupportedArtifactError(f"layer {layer.digest} of type {layer.media_type} is none of a ModelKit")
    archive = archive_of(layer.media_type)
    if archive is not None:
        return LayerFiles(layer, "model", archive)
    name = next(_names(layer), None)
    if name is None:
        raise UnsupportedArtifactError(f"raw layer {layer.digest} of the ModelKit says no file name")
    return LayerFiles(layer, f"model/{name}")


def _names(layer: Descriptor) -> Iterator[str]:
    for key in (mediatypes.TITLE, mediatypes.FILE_PATH):
        if found := layer.annotations.get(key):
            yield found
