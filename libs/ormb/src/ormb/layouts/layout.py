"""The interface of a layout."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol

from modelformats.bounded_json import load_json
from ormb.errors import UnsupportedArtifactError
from ormb.manifest import Descriptor, ModelManifest
from ormb.modelfile import ModelFile

from .layer_types import LayerType

TREE = ".artifact"
"""Directory for files of other tools, at the paths of the artifact, until the files of the model are selected."""
EXTRA = "extra"
"""Directory of an export for files that do not belong to the model: data, and files outside the model's directory."""


class Role(Enum):
    """The role of a layer's files for the model."""

    MODEL = auto()
    PART = auto()
    """Configuration, tokenizers, adapters."""
    BESIDE = auto()
    """Code and documentation."""
    DATA = auto()


@dataclass(frozen=True)
class LayerFiles:
    """The content of a layer, and its place below the destination.

    Attributes:
        descriptor: the layer.
        type: its compression and form.
        target: the path of a file, or the directory into which an archive is unpacked.
        role: of its files for the model.
        below: unpack only entries of the archive below this directory, and strip its path.
        diff_ids: digests, one of which the uncompressed bytes must have; empty if the artifact declares none.
    """

    descriptor: Descriptor
    type: LayerType
    target: str
    role: Role = Role.MODEL
    below: str = ""
    diff_ids: frozenset[str] = frozenset()

    @property
    def is_final(self) -> bool:
        """True if the layer's bytes are the file."""
        return not self.type.is_archive and not self.type.compression

    @property
    def is_in_tree(self) -> bool:
        """True if the files of the model must still be selected from the layer."""
        return self.target.partition("/")[0] == TREE


@dataclass(frozen=True)
class ArtifactFiles:
    """The content of an artifact.

    Attributes:
        layers: in the order of unpacking.
        is_model_directory: whether their paths are those of a model directory; otherwise `model_path` names the model
            among them.
        model_path: the file or directory that the artifact names as its model; None if it names none.
        empty_directories: empty directories, which are not in any layer.
    """

    layers: tuple[LayerFiles, ...]
    is_model_directory: bool = True
    model_path: str | None = None
    empty_directories: tuple[str, ...] = ()


class Layout(Protocol):
    """A layout; pure."""

    name: str
    """The name in `--layout` and in the output of `ormb inspect`."""

    def claims(self, document: dict[str, Any]) -> bool:
        """Return whether a manifest has this layout."""
        ...

    def wants_config(self, document: dict[str, Any], /) -> bool:
        """Return whether the config blob has metadata of the model or its files that the manifest does not have."""
        ...

    def modelfile(self, document: dict[str, Any], config: bytes | None, /) -> ModelFile | None:
        """Return the metadata of the model; None if the artifact has no ormbfile.yaml.

        Args:
            document: the manifest.
            config: the config blob, if it is wanted and was fetched.
        """
        ...

    def files(self, manifest: ModelManifest, /) -> ArtifactFiles:
        """Return the destinations of the layers.

        Raises:
            UnsupportedArtifactError: a layer has an unknown type.
        """
        ...


def config_type(document: dict[str, Any]) -> str:
    """Return the media type of the config; empty if there is none."""
    config = document.get("config")
    return str(config.get("mediaType", "")) if isinstance(config, dict) else ""


def config_document(content: bytes | None) -> dict[str, Any]:
    """Return the JSON object in a config blob; empty if it was not read. Raises UnsupportedArtifactError."""
    try:
        return dict(load_json(content or b"{}"))
    except (ValueError, TypeError) as error:
        raise UnsupportedArtifactError(f"the artifact's config is not a JSON object: {error}") from error


def table(value: Any) -> dict[str, Any]:
    """Return the value if it is a JSON object, else an empty object."""
    return value if isinstance(value, dict) else {}


def tree_files(
    manifest: ModelManifest,
    kind: Callable[[str], LayerType],
    roles: dict[str, Role],
    diff_ids: Callable[[Descriptor], frozenset[str]],
    path: Callable[[Descriptor], str],
) -> tuple[LayerFiles, ...]:
    """Return the layers of a tool that preserves the paths of its own tree.

    Args:
        manifest: the artifact.
        kind: parses a media type.
        roles: by the kind of a layer; the default is BESIDE.
        diff_ids: returns the digests declared for a layer.
        path: returns the path of a layer that is a file.
    """
    layers = []
    for layer in manifest.layers:
        type_ = kind(layer.media_type)
        role = roles.get(type_.kind, Role.BESIDE)
        top = EXTRA if role is Role.DATA else TREE
        target = top if type_.is_archive else f"{top}/{path(layer)}"
        layers.append(LayerFiles(layer, type_, target, role, diff_ids=diff_ids(layer)))
    return tuple(layers)
