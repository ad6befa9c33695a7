"""What a layout says of an artifact."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from ormb.manifest import Descriptor
from ormb.modelfile import ModelFile


class Archive(StrEnum):
    """How files are packed into a layer."""

    TAR = "tar"
    TAR_GZIP = "tar+gzip"
    TAR_ZSTD = "tar+zstd"


@dataclass(frozen=True)
class LayerFiles:
    """What a layer holds, and where it goes below the destination.

    Attributes:
        descriptor: the layer.
        target: for one raw file its path; for an archive the directory that its entries go into.
        archive: how the entries are packed; None for one raw file.
        below: only entries of the archive under this directory, without it.
    """

    descriptor: Descriptor
    target: str
    archive: Archive | None = None
    below: str = ""


class Layout(Protocol):
    """One layout; pure."""

    name: str
    """As `--layout` and `ormb inspect` spell it."""

    def claims(self, document: dict[str, Any]) -> bool:
        """Whether a manifest, as JSON, has this layout."""
        ...

    def wants_config(self, document: dict[str, Any], /) -> bool:
        """Whether the metadata are in the config blob."""
        ...

    def modelfile(self, document: dict[str, Any], config: bytes | None, /) -> ModelFile | None:
        """What the artifact says of the model; None where it carries no ormbfile.yaml.

        Args:
            document: the manifest.
            config: the config blob, where it is wanted and was fetched.
        """
        ...

    def files(self, layers: tuple[Descriptor, ...], document: dict[str, Any], /) -> list[LayerFiles]:
        """Where the layers go, in the order in which they are unpacked.

        Raises:
            UnsupportedArtifactError: a layer is of a kind that is not known.
        """
        ...


def config_type(document: dict[str, Any]) -> str:
    """The media type of the config; empty where there is none."""
    config = document.get("config")
    return str(config.get("mediaType", "")) if isinstance(config, dict) else ""


def archive_of(media_type: str) -> Archive | None:
    """How a layer of this type is packed, by its ending; None for one raw file."""
    for archive in (Archive.TAR_GZIP, Archive.TAR_ZSTD, Archive.TAR):
        if media_type.endswith((archive.value, archive.value.replace("tar+", "tar."))):
            return archive
    return None
