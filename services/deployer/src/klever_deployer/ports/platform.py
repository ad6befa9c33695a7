"""What the use cases need of the rest of the platform, and of the deployer's own disk."""

from typing import Protocol

from klever_deployer.domain.versions import ModelFacts, ServingName
from kleverproto.conversions import ConvertedModel
from kleverproto.documents import Tombstone
from kleverproto.models import ModelDocument
from kleverproto.projects import ProjectPolicy
from kleverproto.references import ModelRef
from kleverproto.servings import ServingDocument

from .steps import OnStep


class ModelCatalogue(Protocol):
    """What has been pushed."""

    async def find(self, ref: ModelRef) -> ModelDocument | None:
        """The version's document. Raises TransientError."""
        ...

    async def is_deleted(self, ref: ModelRef) -> bool:
        """Whether it is known that the version was deleted, and not lost. Raises TransientError."""
        ...


class Policies(Protocol):
    """What is wanted of projects."""

    async def find(self, project: str) -> ProjectPolicy:
        """The project's policy; the default one where nobody has set any. Raises TransientError."""
        ...


class ModelRegistries(Protocol):
    """The registries that models are pulled from."""

    async def describe(self, ref: ModelRef, digest: str, registry: str) -> ModelFacts:
        """What a manifest says of its model, without pulling it: for one that its tag no longer names.

        Raises:
            ServingError: it is not there (`model_not_found`), or is no model (`pull_failed`).
            TransientError: the registry does not answer now.
        """
        ...


ServingCopy = ServingDocument | Tombstone[ServingDocument]
"""What the bucket holds of a serving."""


class CopyStore(Protocol):
    """Copies of what the servings' bucket holds, on the deployer's own disk."""

    async def read(self) -> dict[ServingName, ServingCopy]:
        """Every copy; one that cannot be read is left out."""
        ...

    async def write(self, serving: ServingName, copy: ServingCopy) -> None:
        """Replace a copy: after a crash there is the old one or the new one. Raises OSError."""
        ...

    async def remove(self, serving: ServingName) -> None:
        """Remove a copy; nothing happens where there is none. Raises OSError."""
        ...


class Conversions(Protocol):
    """Models made of others."""

    async def find(self, ref: ModelRef, digest: str, target: str) -> ConvertedModel | None:
        """What was made of a model. Raises TransientError."""
        ...

    async def make(
        self, model: ModelDocument, digest: str, model_format: str, target: str, on_step: OnStep
    ) -> ConvertedModel:
        """Have it made, and wait. Raises ServingError (`conversion_failed`), TransientError.

        Args:
            model: what it is made of.
            digest: the manifest.
            model_format: its format.
            target: the format that is wanted.
            on_step: called when the wait takes longer than it should.
        """
        ...

    def routes(self, model_format: str) -> tuple[str, ...]:
        """The formats that a format can be converted to."""
        ...
