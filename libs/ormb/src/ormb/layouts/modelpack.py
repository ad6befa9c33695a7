"""ModelPack, the CNCF model-spec v0.0.7 (https://github.com/modelpack/model-spec), and its older `cnai` spelling.

With an ormbfile in an annotation it is ours: paths begin at the model's directory. Otherwise another tool made it
(modctl, kit, Docker) and its files go under `model/`.
"""

import json
from typing import Any

import modelformats
from ormb import mediatypes
from ormb.errors import UnsupportedArtifactError
from ormb.manifest import Descriptor
from ormb.modelfile import ModelFile, lenient_modelfile

from .layout import LayerFiles, archive_of, config_type

LEGACY_ARTIFACT = "application/vnd.cnai.model.manifest.v1+json"
LEGACY_CONFIG = "application/vnd.cnai.model.config.v1+json"
PREFIXES = (mediatypes.MODELPACK_LAYER_PREFIX, "application/vnd.cnai.model.")
PATHS = (mediatypes.FILE_PATH, "org.cnai.model.filepath", mediatypes.TITLE)
FORMATS = {name.lower(): name for name in modelformats.KNOWN_FORMATS}
RAW_ENDINGS = (mediatypes.RAW_SUFFIX, ".gguf", ".safetensors")
"""The last two are Docker's; they are not in the specification."""


class ModelPack:
    """See `Layout`."""

    name = "modelpack"

    def claims(self, document: dict[str, Any]) -> bool:
        """By the artifact's type, else by its config's."""
        return document.get("artifactType") in {mediatypes.MODELPACK_ARTIFACT, LEGACY_ARTIFACT} or (
            config_type(document) in {mediatypes.MODELPACK_CONFIG, LEGACY_CONFIG}
        )

    def wants_config(self, document: dict[str, Any]) -> bool:
        """Not where the ormbfile is in an annotation."""
        return _annotation(document) is None

    def modelfile(self, document: dict[str, Any], config: bytes | None) -> ModelFile | None:
        """The ormbfile, else what the specification's config has in common with it."""
        text = _annotation(document)
        if text is not None:
            return ModelFile.model_validate_json(text)
        return _from_config(config) if config else None

    def files(self, layers: tuple[Descriptor, ...], document: dict[str, Any]) -> list[LayerFiles]:
        """One file for each raw layer; archives begin at the artifact's root."""
        top = "" if _annotation(document) is not None else "model"
        return [_files(layer, top) for layer in layers]


MODELPACK = ModelPack()


def _files(layer: Descriptor, top: str) -> LayerFiles:
    archive = archive_of(layer.media_type)
    if archive is not None:
        return LayerFiles(layer, top, archive)
    path = next((layer.annotations[key] for key in PATHS if layer.annotations.get(key)), None)
    if path is None or not layer.media_type.startswith(PREFIXES) or not layer.media_type.endswith(RAW_ENDINGS):
        raise UnsupportedArtifactError(f"layer {layer.digest} of type {layer.media_type} says no file name")
    return LayerFiles(layer, f"{top}/{path}" if top else path)


def _annotation(document: dict[str, Any]) -> str | None:
    found = (document.get("annotations") or {}).get(mediatypes.MODELFILE_ANNOTATION)
    return str(found) if found is not None else None


def _from_config(config: bytes) -> ModelFile:
    whole = json.loads(config)
    described, about = whole.get("descriptor") or {}, whole.get("config") or {}
    return lenient_modelfile(
        {
            "author": ", ".join(described.get("authors") or []) or None,
            "created": described.get("createdAt"),
            "description": described.get("description"),
            "format": FORMATS.get(str(about.get("format", "")).lower()),
        }
    )
