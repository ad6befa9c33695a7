"""KitOps ModelKit (https://kitops.org): a Kitfile as config, and one layer for each of its entries."""

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
        """Identified by the artifact type in newer kits, and by the type of the config in all kits."""
        return document.get("artifactType") == ARTIFACT or config_type(document) == CONFIG

    def wants_config(self, _document: dict[str, Any]) -> bool:
        """True: the config is the Kitfile."""
        return True

    def modelfile(self, _document: dict[str, Any], config: bytes | None) -> ModelFile | None:
        """Return the metadata of the Kitfile that has a field in an ormbfile."""
        return None if config is None else Kitfile(config).modelfile()

    def files(self, manifest: ModelManifest) -> ArtifactFiles:
        """Return archives with paths relative to the Kitfile's directory, and raw layers as one file each."""
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
