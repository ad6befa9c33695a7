"""Docker model artifacts (`docker model`): one file for each layer, named after its type if it has no name."""

from collections import Counter
from typing import Any

from ormb.manifest import Descriptor, ModelManifest
from ormb.modelfile import ModelFile

from . import layer_types
from .layer_types import layer_type
from .layout import EXTRA, ArtifactFiles, LayerFiles, config_type

CONFIG_PREFIX = "application/vnd.docker.ai.model.config."
NAMES = {
    "gguf.v3": "model.gguf",
    "gguf.v3.lora": "lora.gguf",
    "gguf.v3.mmproj": "mmproj.gguf",
    "mmproj": "mmproj.gguf",
    "safetensors": "model.safetensors",
    "dduf": "model.dduf",
    "license": "LICENSE",
    "chat.template.jinja": "template.jinja",
    "model.file": "model.file",
}
PATTERNS = (layer_types.DOCKER_FILE, layer_types.DOCKER_ARCHIVE)


class DockerModel:
    """See `Layout`."""

    name = "docker"

    def claims(self, document: dict[str, Any]) -> bool:
        """Identified by the type of the config."""
        return config_type(document).startswith(CONFIG_PREFIX)

    def wants_config(self, _document: dict[str, Any]) -> bool:
        """False: the config has no fields in common with an ormbfile."""
        return False

    def modelfile(self, _document: dict[str, Any], _config: bytes | None) -> ModelFile | None:
        """None: the artifact has no metadata."""
        return None

    def files(self, manifest: ModelManifest) -> ArtifactFiles:
        """Number the layers of the same kind. Files that belong to another file are placed beside it."""
        beside = _beside(manifest.layers)
        kinds = Counter(layer.media_type for layer in manifest.layers)
        counts: Counter[str] = Counter()
        layers = []
        for layer in manifest.layers:
            counts[layer.media_type] += 1
            number = counts[layer.media_type] if kinds[layer.media_type] > 1 else None
            layers.append(_files(layer, number, EXTRA if layer.media_type in beside else "model"))
        return ArtifactFiles(tuple(layers))


DOCKER_MODEL = DockerModel()


def _beside(layers: tuple[Descriptor, ...]) -> set[str]:
    """Return the types of adapters and projectors; empty if there is no model that they belong to."""
    types = {layer.media_type for layer in layers}
    others = {kind for kind in types if kind.endswith((".lora", "mmproj"))}
    return others if any(kind.endswith(".gguf.v3") for kind in types) else set()


def _files(layer: Descriptor, number: int | None, top: str) -> LayerFiles:
    kind = layer_type(layer.media_type, PATTERNS)
    if kind.is_archive:
        return LayerFiles(layer, kind, "model")
    name = layer.path or NAMES[kind.kind]
    if layer.path is None and number is not None:
        stem, dot, suffix = name.partition(".")
        name = f"{stem}-{number:05d}{dot}{suffix}"
    return LayerFiles(layer, kind, f"{top}/{name}")
