"""KitOps ModelKit (https://kitops.org): a Kitfile as config, one layer for each of its entries."""

from functools import partial
from typing import Any

from ormb.errors import UnsupportedArtifactError
from ormb.manifest import Descriptor, ModelManifest
from ormb.modelfile import ModelFile

from . import layer_types
from .kitfiles import Kitfile
from .layer_types import layer_type
from .layout import ArtifactFiles, Role, config_type, tree_files

ARTIFACT = "application/vnd.kitops.modelkit.manifest.v1+json"
CONFIG = "application/vnd.kitops.modelkit.config.v1+json"
ROLES = {"model": Role.MODEL, "modelpart": Role.PART, "dataset": Role.DATA, "datasets": Role.DATA}


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
        return None if config is None else Kitfile(config).modelfile()

    def files(self, manifest: ModelManifest) -> ArtifactFiles:
        """Archives hold paths from the Kitfile's directory, and a raw layer is one file of it."""
        kitfile = Kitfile(manifest.config_content or b"{}")
        paths, diff_ids = kitfile.paths(), kitfile.diff_ids()

        def path(layer: Descriptor) -> str:
            named = layer.path or paths.get(layer.digest)
            if named is None:
                raise UnsupportedArtifactError(f"raw layer {layer.digest} of the ModelKit says no file name")
            return named

        layers = tree_files(
            manifest,
            partial(layer_type, patterns=(layer_types.MODELKIT, layer_types.KITFILE)),
            ROLES,
            lambda layer: frozenset({diff_ids[layer.digest]} if layer.digest in diff_ids else ()),
            path,
        )
        return ArtifactFiles(layers, is_model_directory=False, model_path=kitfile.model_path)


MODELKIT = ModelKit()
