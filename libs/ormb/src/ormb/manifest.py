"""OCI manifests of models, and the manifest of the ModelPack layout (CNCF model-spec v0.0.7); pure."""

import json
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from modelformats.bounded_json import load_json

from . import mediatypes
from .digest import digest_bytes
from .errors import UnsupportedArtifactError
from .modelfile import ModelFile


class Descriptor(BaseModel):
    """An OCI content descriptor."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, serialize_by_alias=True, frozen=True)

    media_type: str
    digest: str
    size: int
    """In bytes."""
    annotations: dict[str, str] = Field(default_factory=dict)

    @property
    def path(self) -> str | None:
        """Return the path of the layer's file or its archive's directory, as named by the author; None if unnamed."""
        return next((self.annotations[key] for key in mediatypes.PATHS if self.annotations.get(key)), None)

    @property
    def is_executable(self) -> bool:
        """Return whether the layer's file is executable according to its metadata."""
        try:
            return bool(load_json(self.annotations.get(mediatypes.FILE_METADATA, "{}")).get("mode", 0) & 0o100)
        except (ValueError, TypeError, AttributeError):
            return False


class ModelManifest(BaseModel):
    """A parsed manifest of a model."""

    model_config = ConfigDict(frozen=True)

    digest: str
    layout: str
    """Name of its layout; see `ormb.layouts`."""
    artifact_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    modelfile: ModelFile | None
    """None if the artifact has no metadata of the model, or has it in a config that was not read."""
    document: dict[str, Any]
    """The JSON document of the manifest."""
    config_content: bytes | None = Field(default=None, repr=False)
    """The config blob, if the layout needs it and it was read."""

    def with_modelfile(self, modelfile: ModelFile) -> Self:
        """Return a copy with another ormbfile."""
        return self.model_copy(update={"modelfile": modelfile})

    @property
    def size(self) -> int:
        """Total size of the layers, in bytes."""
        return sum(layer.size for layer in self.layers)

    @property
    def empty_directories(self) -> tuple[str, ...]:
        """Return the empty directories that the manifest names. Raises UnsupportedArtifactError."""
        text = (self.document.get("annotations") or {}).get(mediatypes.EMPTY_DIRECTORIES, "[]")
        try:
            return tuple(str(path) for path in load_json(text))
        except (ValueError, TypeError) as error:
            raise UnsupportedArtifactError(f"the artifact's empty directories cannot be read: {error}") from error


def canonical_json(value: Any) -> bytes:
    """Return JSON in canonical form: equal values have equal digests."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def build_config(modelfile: ModelFile, layers: tuple[Descriptor, ...]) -> bytes:
    """Return the ModelPack config. It has no creation time, so that equal files have equal digests."""
    descriptor = {
        "authors": [modelfile.author] if modelfile.author else None,
        "description": modelfile.description,
    }
    config = {"format": modelfile.format}
    return canonical_json(
        {
            "descriptor": {key: value for key, value in descriptor.items() if value},
            "config": {key: value for key, value in config.items() if value},
            "modelfs": {"type": "layers", "diffIds": [layer.digest for layer in layers]},
        }
    )


def build_manifest(
    modelfile: ModelFile, config: bytes, layers: tuple[Descriptor, ...], empty_directories: tuple[str, ...] = ()
) -> bytes:
    """Return the manifest of a model in the ModelPack layout.

    It lists empty directories, for which there are no layers.
    """
    described = Descriptor(media_type=mediatypes.MODELPACK_CONFIG, digest=digest_bytes(config), size=len(config))
    annotations = {
        mediatypes.MODELFILE_ANNOTATION: modelfile.model_dump(mode="json", exclude_defaults=True),
        **({mediatypes.EMPTY_DIRECTORIES: empty_directories} if empty_directories else {}),
    }
    return canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": mediatypes.OCI_MANIFEST,
            "artifactType": mediatypes.MODELPACK_ARTIFACT,
            "config": described.model_dump(exclude_defaults=True),
            "layers": [layer.model_dump(exclude_defaults=True) for layer in layers],
            "annotations": {name: canonical_json(value).decode() for name, value in annotations.items()},
        }
    )
