"""Projects: what happens by itself to the models that are pushed into one. Owner: registry."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self, TypedDict, Unpack

from pydantic import Field

from .base import StrictWireModel, WireModel
from .conversions import Quantization
from .documents import Document, Intent
from .references import Name
from .scans import TrustedName


class OnUnsafe(StrEnum):
    """What follows when loading a model would run code that it should not."""

    WARN = "warn"
    """Say so in the catalogue, and do not refuse it; its model server still loads only what is known or trusted."""
    BLOCK = "block"
    """Refuse to serve and to convert it, and what could not be scanned."""


class OnInvalid(StrEnum):
    """What follows when the files of a model could not be parsed."""

    WARN = "warn"
    """Say so in the catalogue, and serve it all the same."""
    BLOCK = "block"
    """Refuse to serve and to convert it."""


class ProjectPolicyChanges(TypedDict, total=False):
    """What may be replaced in a ProjectPolicy."""

    convert: tuple[str, ...]
    quantize: Quantization | None
    scan: OnUnsafe
    trust: tuple[TrustedName, ...]
    invalid: OnInvalid


class ProjectPolicy(StrictWireModel):
    """What happens by itself when a model is pushed."""

    convert: tuple[str, ...] = ()
    """Formats that each model is converted to. What a conversion has made is not converted again."""
    quantize: Quantization | None = None
    """How the results are made smaller."""
    scan: OnUnsafe = OnUnsafe.BLOCK
    trust: Annotated[tuple[TrustedName, ...], Field(max_length=200)] = ()
    """Classes and functions beside the known ones, as module:Name, that models may name and model servers load."""
    invalid: OnInvalid = OnInvalid.BLOCK

    def replace(self, **changes: Unpack[ProjectPolicyChanges]) -> Self:
        """The same policy with other values for some fields."""
        return self.model_copy(update=changes)


class ProjectSpec(WireModel):
    """What people want of a project."""

    name: Name
    policy: ProjectPolicy = ProjectPolicy()


class ProjectStatusChanges(TypedDict, total=False):
    """What may be replaced in a ProjectStatus."""

    intent: Intent | None
    converts_since: dict[str, datetime]


class ProjectStatus(WireModel):
    """Where the spec comes from."""

    intent: Intent | None = None
    """The request that it comes from; None after it was restored from a copy."""
    converts_since: dict[str, datetime] = Field(default_factory=dict)
    """Format of the policy's conversions to when it was asked for: what was pushed before that is left alone."""

    def replace(self, **changes: Unpack[ProjectStatusChanges]) -> Self:
        """The same status with other values for some fields."""
        return self.model_copy(update=changes)


class ProjectDocument(Document[ProjectSpec, ProjectStatus]):
    """A project with a policy, bucket `klever-projects`, keyed by its name."""


class ProjectPolicyRequested(WireModel):
    """Someone wants another policy."""

    project: Name
    policy: ProjectPolicy


class ProjectPolicyChanged(WireModel):
    """The project has another policy; models pushed from now on follow it."""

    project: Name
    policy: ProjectPolicy
