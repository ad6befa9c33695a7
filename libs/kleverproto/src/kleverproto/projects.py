"""Projects: policies for the models that are pushed into them. Owner: registry."""

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
    """What to do with a model whose loading would run untrusted code."""

    WARN = "warn"
    """Record it in the catalogue and allow the model; model servers still load only known and trusted names."""
    BLOCK = "block"
    """Refuse to serve or convert it; also if it could not be scanned."""


class OnInvalid(StrEnum):
    """What to do with a model whose files could not be parsed."""

    WARN = "warn"
    """Record it in the catalogue and allow the model."""
    BLOCK = "block"
    """Refuse to serve or convert it."""


class ProjectPolicyChanges(TypedDict, total=False):
    """What may be replaced in a ProjectPolicy."""

    convert: tuple[str, ...]
    quantize: Quantization | None
    scan: OnUnsafe
    trust: tuple[TrustedName, ...]
    invalid: OnInvalid


class ProjectPolicy(StrictWireModel):
    """Automatic actions for pushed models."""

    convert: tuple[str, ...] = ()
    """Formats that each model is converted to. Results of conversions are not converted again."""
    quantize: Quantization | None = None
    """The quantization of the results."""
    scan: OnUnsafe = OnUnsafe.BLOCK
    trust: Annotated[tuple[TrustedName, ...], Field(max_length=200)] = ()
    """Classes and functions beside the known ones, as module:Name, that models may name and model servers load."""
    invalid: OnInvalid = OnInvalid.BLOCK

    def replace(self, **changes: Unpack[ProjectPolicyChanges]) -> Self:
        """The same policy with other values for some fields."""
        return self.model_copy(update=changes)


class ProjectSpec(WireModel):
    """The desired state of a project."""

    name: Name
    policy: ProjectPolicy = ProjectPolicy()


class ProjectStatusChanges(TypedDict, total=False):
    """What may be replaced in a ProjectStatus."""

    intent: Intent | None
    converts_since: dict[str, datetime]


class ProjectStatus(WireModel):
    """The observed state of a project."""

    intent: Intent | None = None
    """The request that it comes from; None after it was restored from a copy."""
    converts_since: dict[str, datetime] = Field(default_factory=dict)
    """Target format to the time at which it was requested; models that were pushed earlier are not converted."""

    def replace(self, **changes: Unpack[ProjectStatusChanges]) -> Self:
        """The same status with other values for some fields."""
        return self.model_copy(update=changes)


class ProjectDocument(Document[ProjectSpec, ProjectStatus]):
    """A project with a policy, bucket `klever-projects`, keyed by its name."""


class ProjectPolicyRequested(WireModel):
    """A request to change the policy."""

    project: Name
    policy: ProjectPolicy


class ProjectPolicyChanged(WireModel):
    """The policy has changed; it applies to models that are pushed from now on."""

    project: Name
    policy: ProjectPolicy
