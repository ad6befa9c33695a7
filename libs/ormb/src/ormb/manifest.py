"""OCI manifests of models, and how one in the ModelPack layout (CNCF model-spec v0.0.7) is built; pure."""

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
    """Bytes."""
    annotations: dict[str, str] = Field(default_factory=dict)

    @property
    def path(self) -> str | None:
        """The file that the layer holds, or the directory that its archive holds, as whoever made it named it."""
        return next((self.annotations[key] for key in mediatypes.PATHS if self.annotations.get(key)), None)

    @property
    def is_executable(self) -> bool:
        """Whether the file that the layer holds may be run, where its metadata say so."""
        try:
            return bool(load_json(self.annotations.get(mediatypes.FILE_METADATA, "{}")).get("mode", 0) & 0o100)
        except (ValueError, TypeError, AttributeError):
            return False


class ModelManifest(BaseModel):
    """What a manifest says of a model."""

    model_config = ConfigDict(frozen=True)

    digest: str
    layout: str
    """Name of its layout; see `ormb.layouts`."""
    artifact_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    modelfile: ModelFile | None
    """None where the artifact says nothing of the model, or says it in a config that was not read."""
    document: dict[str, Any]
    """The manifest as it is."""
    config_content: bytes | None = Field(default=None, repr=False)
    """The config blob, where the layout wants it and it was read."""

    def with_modelfile(self, modelfile: ModelFile) -> Self:
        """The same manifest with another ormbfile."""
        return self.model_copy(update={"modelfile": modelfile})

    @property
    def size(self) -> int:
        """Bytes of all layers."""
        return sum(layer.size for layer in self.layers)

    @property
    def empty_directories(self) -> tuple[str, ...]:
        """Directories without an entry, where the manifest names them. Raises UnsupportedArtifactError."""
        text = (self.document.get("annotations") or {}).get(mediatypes.EMPTY_DIRECTORIES, "[]")
        try:
            return tuple(str(path) for path in load_json(text))
        except (ValueError, TypeError) as error:
            raise UnsupportedArtifactError(f"the artifact's empty directories cannot be read: {error}") from error


def canonical_json(value: Any) -> bytes:
    """JSON with one spelling only: same input, same digest."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def build_config(modelfile: ModelFile, layers: tuple[Descriptor, ...]) -> bytes:
    """The ModelPack config. It has no creation time, so that the same files give the same digest."""
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
    """The manifest of a model in the ModelPack layout, in which no layer can be an empty directory."""
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
