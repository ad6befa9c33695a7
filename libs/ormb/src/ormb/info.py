"""What is known of a model artifact, and where it was found."""

from dataclasses import dataclass, replace

from .manifest import ModelManifest
from .modelfile import ModelFile
from .reference import Reference


@dataclass(frozen=True)
class ModelInfo:
    """A model artifact, and where it was found."""

    reference: Reference
    digest: str
    size: int
    """Bytes of all layers."""
    manifest: ModelManifest

    def with_format(self, name: str | None) -> "ModelInfo":
        """The same with the format that its files have, where the artifact names none."""
        if self.format is not None or name is None:
            return self
        modelfile = (self.manifest.modelfile or ModelFile()).replace(format=name)
        return replace(self, manifest=self.manifest.with_modelfile(modelfile))

    @property
    def format(self) -> str | None:
        """The model's format, where the artifact says it."""
        return self.manifest.modelfile.format if self.manifest.modelfile else None
