"""Interfaces to the rest of the platform, and to the deployer's own disk."""

from typing import Protocol

from klever_deployer.domain.versions import ModelFacts
from kleverproto.conversions import ConvertedModel
from kleverproto.documents import Tombstone
from kleverproto.models import ModelDocument
from kleverproto.projects import ProjectPolicy
from kleverproto.references import ModelRef
from kleverproto.servings import ServingDocument
from kleverroutes.versions import ServingName

from .steps import OnStep


class ModelCatalogue(Protocol):
    """The models that were pushed."""

    async def find(self, ref: ModelRef) -> ModelDocument | None:
        """The version's document; None if it is not in the catalogue. Raises TransientError."""
        ...

    async def is_deleted(self, ref: ModelRef) -> bool:
        """Return whether the version is known to be deleted, rather than lost. Raises TransientError."""
        ...


class Policies(Protocol):
    """The policies of projects."""

    async def find(self, project: str) -> ProjectPolicy:
        """The project's policy, or the default policy if none is set. Raises TransientError."""
        ...


class ModelRegistries(Protocol):
    """The registries that models are pulled from."""

    async def describe(self, ref: ModelRef, digest: str, registry: str) -> ModelFacts:
        """The facts about a model from its manifest, without a pull; for a manifest that its tag no longer names.

        Raises:
            ServingError: the manifest does not exist (`model_not_found`), or is not a model (`pull_failed`).
            TransientError: the registry does not respond.
        """
        ...


ServingCopy = ServingDocument | Tombstone[ServingDocument]
"""The document or tombstone of a serving."""


class CopyStore(Protocol):
    """Copies of the bucket of servings on the deployer's own disk."""

    async def read(self) -> dict[ServingName, ServingCopy]:
        """All copies that can be read."""
        ...

    async def write(self, serving: ServingName, copy: ServingCopy) -> None:
        """Replace a copy atomically. Raises OSError."""
        ...

    async def remove(self, serving: ServingName) -> None:
        """Remove a copy, if it exists. Raises OSError."""
        ...


class Conversions(Protocol):
    """Converts models to other formats."""

    async def find(self, ref: ModelRef, digest: str, target: str) -> ConvertedModel | None:
        """The result of an earlier conversion; None if there is none. Raises TransientError."""
        ...

    async def make(
        self, model: ModelDocument, digest: str, model_format: str, target: str, on_step: OnStep
    ) -> ConvertedModel:
        """Convert a model, and wait for the result. Raises ServingError (`conversion_failed`), TransientError.

        Args:
            model: the source model.
            digest: the digest of its manifest.
            model_format: its format.
            target: the format to convert to.
            on_step: called when the wait takes longer than expected.
        """
        ...

    def routes(self, model_format: str) -> tuple[str, ...]:
        """The formats that a format can be converted to."""
        ...
