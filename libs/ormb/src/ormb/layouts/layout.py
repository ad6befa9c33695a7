"""What a layout says of an artifact."""

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
"""Where files of other tools lie, at the paths that their artifact gives them, until the model is found among them."""
EXTRA = "extra"
"""Where an export has the files of an artifact that are not the model: data, and what lies outside its directory."""


class Role(Enum):
    """What the files of a layer are to the model."""

    MODEL = auto()
    PART = auto()
    """Configuration, tokenizers, adapters."""
    BESIDE = auto()
    """Code and documentation."""
    DATA = auto()


@dataclass(frozen=True)
class LayerFiles:
    """What a layer holds, and where it goes below the destination.

    Attributes:
        descriptor: the layer.
        type: how its bytes are packed.
        target: for one file its path; for an archive the directory that its entries go into.
        role: what its files are to the model.
        below: only entries of the archive under this directory, without it.
        diff_ids: digests of which the uncompressed bytes must have one; none where the artifact declares none.
    """

    descriptor: Descriptor
    type: LayerType
    target: str
    role: Role = Role.MODEL
    below: str = ""
    diff_ids: frozenset[str] = frozenset()

    @property
    def is_final(self) -> bool:
        """Whether the layer's bytes are the file."""
        return not self.type.is_archive and not self.type.compression

    @property
    def is_in_tree(self) -> bool:
        """Whether it is to be decided which of its files are the model."""
        return self.target.partition("/")[0] == TREE


@dataclass(frozen=True)
class ArtifactFiles:
    """What an artifact holds.

    Attributes:
        layers: in the order in which they are unpacked.
        is_model_directory: whether their paths are those of a model directory; else `model_path` says where the model
            is among them.
        model_path: the file or directory that the artifact names as its model; None where it names none.
        empty_directories: directories without an entry, which no layer has.
    """

    layers: tuple[LayerFiles, ...]
    is_model_directory: bool = True
    model_path: str | None = None
    empty_directories: tuple[str, ...] = ()


class Layout(Protocol):
    """One layout; pure."""

    name: str
    """As `--layout` and `ormb inspect` spell it."""

    def claims(self, document: dict[str, Any]) -> bool:
        """Whether a manifest, as JSON, has this layout."""
        ...

    def wants_config(self, document: dict[str, Any], /) -> bool:
        """Whether the config blob says of the model, or of its files, what the manifest does not."""
        ...

    def modelfile(self, document: dict[str, Any], config: bytes | None, /) -> ModelFile | None:
        """What the artifact says of the model; None where it carries no ormbfile.yaml.

        Args:
            document: the manifest.
            config: the config blob, where it is wanted and was fetched.
        """
        ...

    def files(self, manifest: ModelManifest, /) -> ArtifactFiles:
        """Where the layers go.

        Raises:
            UnsupportedArtifactError: a layer is of a type that is not known.
        """
        ...


def config_type(document: dict[str, Any]) -> str:
    """The media type of the config; empty where there is none."""
    config = document.get("config")
    return str(config.get("mediaType", "")) if isinstance(config, dict) else ""


def config_document(content: bytes | None) -> dict[str, Any]:
    """The JSON object in a config blob; empty where it was not read. Raises UnsupportedArtifactError."""
    try:
        return dict(load_json(content or b"{}"))
    except (ValueError, TypeError) as error:
        raise UnsupportedArtifactError(f"the artifact's config is not a JSON object: {error}") from error


def table(value: Any) -> dict[str, Any]:
    """The value where it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def tree_files(
    manifest: ModelManifest,
    kind: Callable[[str], LayerType],
    roles: dict[str, Role],
    diff_ids: Callable[[Descriptor], frozenset[str]],
    path: Callable[[Descriptor], str],
) -> tuple[LayerFiles, ...]:
    """The layers of a tool that keeps the paths of its own tree.

    Args:
        manifest: the artifact.
        kind: reads a media type.
        roles: by the kind of a layer; others are BESIDE.
        diff_ids: those declared for a layer.
        path: the file that a layer without an archive holds.
    """
    layers = []
    for layer in manifest.layers:
        type_ = kind(layer.media_type)
        role = roles.get(type_.kind, Role.BESIDE)
        top = EXTRA if role is Role.DATA else TREE
        target = top if type_.is_archive else f"{top}/{path(layer)}"
        layers.append(LayerFiles(layer, type_, target, role, diff_ids=diff_ids(layer)))
    return tuple(layers)
