"""Information about a model artifact."""

from dataclasses import dataclass, replace

from .manifest import ModelManifest
from .modelfile import ModelFile
from .reference import Reference


@dataclass(frozen=True)
class ModelInfo:
    """A model artifact and its location."""

    reference: Reference
    digest: str
    size: int
    """Total size of the layers, in bytes."""
    manifest: ModelManifest

    def with_format(self, name: str | None) -> "ModelInfo":
        """Return a copy with the format detected from the files, if the artifact names none."""
        if self.format is not None or name is None:
            return self
        modelfile = (self.manifest.modelfile or ModelFile()).replace(format=name)
        return replace(self, manifest=self.manifest.with_modelfile(modelfile))

    @property
    def format(self) -> str | None:
        """The model's format, if the artifact names it."""
        return self.manifest.modelfile.format if self.manifest.modelfile else None
