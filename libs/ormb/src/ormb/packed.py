"""An artifact that is ready to be stored or sent."""

from dataclasses import dataclass
from pathlib import Path

from .digest import digest_bytes
from .manifest import Descriptor
from .modelfile import ModelFile


@dataclass(frozen=True)
class Content:
    """Where the bytes of a blob are: in a file, or here."""

    descriptor: Descriptor
    source: Path | bytes


@dataclass(frozen=True)
class PackedModel:
    """An artifact, ready to be stored or sent."""

    modelfile: ModelFile
    manifest: bytes
    config: Content
    layers: tuple[Content, ...]

    @property
    def digest(self) -> str:
        """The manifest's digest: the identity of the artifact."""
        return digest_bytes(self.manifest)

    @property
    def size(self) -> int:
        """Bytes of all layers."""
        return sum(layer.descriptor.size for layer in self.layers)
