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
    """The action for a model whose loading would run untrusted code."""

    WARN = "warn"
    """Record the findings in the catalogue and allow the model. Model servers load only known or trusted names."""
    BLOCK = "block"
    """Refuse to serve or convert the model, also if it could not be scanned."""


class OnInvalid(StrEnum):
    """The action for a model whose files could not be parsed."""

    WARN = "warn"
    """Record the problem in the catalogue and allow the model."""
    BLOCK = "block"
    """Refuse to serve or convert the model."""


class ProjectPolicyChanges(TypedDict, total=False):
    """Fields of ProjectPolicy that can be replaced."""

    convert: tuple[str, ...]
    quantize: Quantization | None
    scan: OnUnsafe
    trust: tuple[TrustedName, ...]
    invalid: OnInvalid


class ProjectPolicy(StrictWireModel):
    """Automatic actions for pushed models."""

    convert: tuple[str, ...] = ()
    """Formats to which each model is converted. Results of conversions are not converted again."""
    quantize: Quantization | None = None
    """The quantization of the results."""
    scan: OnUnsafe = OnUnsafe.BLOCK
    trust: Annotated[tuple[TrustedName, ...], Field(max_length=200)] = ()
    """Additional classes and functions, as module:Name, that models may contain and model servers may load."""
    invalid: OnInvalid = OnInvalid.BLOCK

    def replace(self, **changes: Unpack[ProjectPolicyChanges]) -> Self:
        """Return a copy with other values for some fields."""
        return self.model_copy(update=changes)


class ProjectSpec(WireModel):
    """The desired state of a project."""

    name: Name
    policy: ProjectPolicy = ProjectPolicy()


class ProjectStatusChanges(TypedDict, total=False):
    """Fields of ProjectStatus that can be replaced."""

    intent: Intent | None
    converts_since: dict[str, datetime]


class ProjectStatus(WireModel):
    """The observed state of a project."""

    intent: Intent | None = None
    """The request that set the policy; None after the project was restored from a copy."""
    converts_since: dict[str, datetime] = Field(default_factory=dict)
    """Time of the request by target format. Models that were pushed earlier are not converted."""

    def replace(self, **changes: Unpack[ProjectStatusChanges]) -> Self:
        """Return a copy with other values for some fields."""
        return self.model_copy(update=changes)


class ProjectDocument(Document[ProjectSpec, ProjectStatus]):
    """A project with a policy, bucket `klever-projects`, keyed by its name."""


class ProjectPolicyRequested(WireModel):
    """A request to change the policy."""

    project: Name
    policy: ProjectPolicy


class ProjectPolicyChanged(WireModel):
    """The policy has changed. It applies to models that are pushed afterwards."""

    project: Name
    policy: ProjectPolicy
