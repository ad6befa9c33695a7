"""Docker model artifacts (`docker model`): one file for each layer, named by its type where it has no name."""

from collections import Counter
from typing import Any

from ormb import mediatypes
from ormb.errors import UnsupportedArtifactError
from ormb.manifest import Descriptor
from ormb.modelfile import ModelFile

from .layout import Archive, LayerFiles, config_type

CONFIG_PREFIX = "application/vnd.docker.ai.model.config."
PREFIX = "application/vnd.docker.ai."
NAMES = {
    "gguf.v3": "model.gguf",
    "gguf.v3.lora": "lora.gguf",
    "gguf.v3.mmproj": "mmproj.gguf",
    "mmproj": "mmproj.gguf",
    "safetensors": "model.safetensors",
    "dduf": "model.dduf",
    "license": "LICENSE",
    "chat.template.jinja": "template.jinja",
}
ARCHIVES = {"vllm.config.tar", "dir.tar"}


class DockerModel:
    """See `Layout`."""

    name = "docker"

    def claims(self, document: dict[str, Any]) -> bool:
        """By its config's type."""
        return config_type(document).startswith(CONFIG_PREFIX)

    def wants_config(self, _document: dict[str, Any]) -> bool:
        """The config has nothing that an ormbfile has."""
        return False

    def modelfile(self, _document: dict[str, Any], _config: bytes | None) -> ModelFile | None:
        """Nothing is said."""
        return None

    def files(self, layers: tuple[Descriptor, ...], _document: dict[str, Any]) -> list[LayerFiles]:
        """Several layers of one kind are numbered."""
        kinds = Counter(layer.media_type for layer in layers)
        seen: Counter[str] = Counter()
        found = []
        for layer in layers:
            seen[layer.media_type] += 1
            number = seen[layer.media_type] if kinds[layer.media_type] > 1 else None
            found.append(_files(layer, number))
        return found


DOCKER_MODEL = DockerModel()


def _files(layer: Descriptor, number: int | None) -> LayerFiles:
    kind = layer.media_type.removeprefix(PREFIX)
    if kind in ARCHIVES:
        return LayerFiles(layer, "model", Archive.TAR)
    said = layer.annotations.get(mediatypes.FILE_PATH) or layer.annotations.get(mediatypes.TITLE)
    name = said or NAMES.get(kind)
    if name is None:
        raise UnsupportedArtifactError(f"layer {layer.digest} of type {layer.media_type} is not known")
    if said is None and number is not None:
        stem, dot, suffix = name.partition(".")
        name = f"{stem}-{number:05d}{dot}{suffix}"
    return LayerFiles(layer, f"model/{name}")
