"""ModelPack, the CNCF model-spec v0.0.7 (https://github.com/modelpack/model-spec), and its older `cnai` spelling.

If the ormbfile is in an annotation, the artifact was made by Klever, and paths are relative to the model directory.
Otherwise another tool (modctl, kit, Docker) made it, with the paths of its own tree.
"""

from functools import partial
from typing import Any

from ormb import mediatypes
from ormb.errors import UnsupportedArtifactError
from ormb.manifest import Descriptor, ModelManifest
from ormb.modelfile import ModelFile, lenient_modelfile

from . import layer_types
from .formats import format_named
from .kitfiles import Kitfile
from .layer_types import layer_type
from .layout import ArtifactFiles, LayerFiles, Role, config_document, config_type, table, tree_files

LEGACY_ARTIFACT = "application/vnd.cnai.model.manifest.v1+json"
LEGACY_CONFIG = "application/vnd.cnai.model.config.v1+json"
KITFILE_ANNOTATION = "ml.kitops.modelkit.kitfile"
"""Annotation in which `kit pack --use-model-pack` stores the Kitfile."""
ROLES = {"weight": Role.MODEL, "weight.config": Role.PART, "dataset": Role.DATA}
read_type = partial(layer_type, patterns=(layer_types.MODELPACK, layer_types.MODELPACK_OF_DOCKER, layer_types.KITFILE))


class ModelPack:
    """See `Layout`."""

    name = "modelpack"

    def claims(self, document: dict[str, Any]) -> bool:
        """Identified by the artifact type, else by the type of the config."""
        return document.get("artifactType") in {mediatypes.MODELPACK_ARTIFACT, LEGACY_ARTIFACT} or (
            config_type(document) in {mediatypes.MODELPACK_CONFIG, LEGACY_CONFIG}
        )

    def wants_config(self, document: dict[str, Any]) -> bool:
        """False if the ormbfile is in an annotation."""
        return _annotation(document, mediatypes.MODELFILE_ANNOTATION) is None

    def modelfile(self, document: dict[str, Any], config: bytes | None) -> ModelFile | None:
        """Return the ormbfile, else the metadata of the Kitfile or config that has a field in an ormbfile."""
        text = _annotation(document, mediatypes.MODELFILE_ANNOTATION)
        if text is not None:
            return ModelFile.model_validate_json(text)
        kitfile = _annotation(document, KITFILE_ANNOTATION)
        if kitfile is not None:
            return Kitfile(kitfile.encode()).modelfile()
        return _from_config(config) if config else None

    def files(self, manifest: ModelManifest) -> ArtifactFiles:
        """Return one file for each raw layer; archives are relative to the root of the artifact."""
        if _annotation(manifest.document, mediatypes.MODELFILE_ANNOTATION) is not None:
            layers = tuple(_of_model_directory(layer) for layer in manifest.layers)
            return ArtifactFiles(layers, empty_directories=manifest.empty_directories)
        kitfile = Kitfile((_annotation(manifest.document, KITFILE_ANNOTATION) or "{}").encode())
        declared = _diff_ids(manifest.config_content)
        layers = tree_files(manifest, read_type, ROLES, lambda _layer: declared, _path)
        return ArtifactFiles(layers, is_model_directory=False, model_path=kitfile.model_path)


MODELPACK = ModelPack()


def _of_model_directory(layer: Descriptor) -> LayerFiles:
    kind = read_type(layer.media_type)
    return LayerFiles(layer, kind, "" if kind.is_archive else _path(layer))


def _path(layer: Descriptor) -> str:
    if layer.path is None:
        raise UnsupportedArtifactError(f"layer {layer.digest} of type {layer.media_type} says no file name")
    return layer.path


def _annotation(document: dict[str, Any], name: str) -> str | None:
    value = (document.get("annotations") or {}).get(name)
    return str(value) if value is not None else None


def _diff_ids(config: bytes | None) -> frozenset[str]:
    """Return the digests of the uncompressed layers (model-spec, docs/config.md)."""
    modelfs = table(config_document(config).get("modelfs"))
    return frozenset(str(each) for each in modelfs.get("diffIds") or [])


def _from_config(config: bytes) -> ModelFile:
    document = config_document(config)
    described, about = table(document.get("descriptor")), table(document.get("config"))
    return lenient_modelfile(
        {
            "author": ", ".join(described.get("authors") or []) or None,
            "created": described.get("createdAt"),
            "description": described.get("description"),
            "format": format_named(about.get("format")),
        }
    )
