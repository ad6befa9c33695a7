"""Package, push, pull and export machine-learning models as OCI artifacts."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client import OrmbClient
    from .errors import OrmbError
    from .info import ModelInfo
    from .manifest import Descriptor, ModelManifest
    from .modelfile import ModelFile, load_modelfile, to_metadata
    from .reading import parse_model_manifest
    from .reference import Reference
    from .sync import attach, copy, discover, export, inspect, pull, pull_and_export, push, push_directory, save
    from .training import trained, write_modelfile

__all__ = [
    "Descriptor",
    "ModelFile",
    "ModelInfo",
    "ModelManifest",
    "OrmbClient",
    "OrmbError",
    "Reference",
    "attach",
    "copy",
    "discover",
    "export",
    "inspect",
    "load_modelfile",
    "parse_model_manifest",
    "pull",
    "pull_and_export",
    "push",
    "push_directory",
    "save",
    "to_metadata",
    "trained",
    "write_modelfile",
]

_HOMES = {
    "client": ("OrmbClient",),
    "info": ("ModelInfo",),
    "errors": ("OrmbError",),
    "manifest": ("Descriptor", "ModelManifest"),
    "modelfile": ("ModelFile", "load_modelfile", "to_metadata"),
    "reading": ("parse_model_manifest",),
    "reference": ("Reference",),
    "sync": (
        "attach",
        "copy",
        "discover",
        "export",
        "inspect",
        "pull",
        "pull_and_export",
        "push",
        "push_directory",
        "save",
    ),
    "training": ("trained", "write_modelfile"),
}


def __getattr__(name: str) -> Any:
    """Import names on first use: the HTTP client takes half a second to load, which `ormb --help` does not need."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
