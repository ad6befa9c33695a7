"""An artifact that is ready to be stored or pushed."""

from dataclasses import dataclass
from pathlib import Path

from .digest import digest_bytes
from .manifest import Descriptor
from .modelfile import ModelFile


@dataclass(frozen=True)
class Content:
    """The source of the bytes of a blob: a file, or memory."""

    descriptor: Descriptor
    source: Path | bytes


@dataclass(frozen=True)
class PackedModel:
    """An artifact that is ready to be stored or pushed."""

    modelfile: ModelFile
    manifest: bytes
    config: Content
    layers: tuple[Content, ...]

    @property
    def digest(self) -> str:
        """The digest of the manifest, which identifies the artifact."""
        return digest_bytes(self.manifest)

    @property
    def size(self) -> int:
        """Total size of the layers, in bytes."""
        return sum(layer.descriptor.size for layer in self.layers)
